"""The proxy does to requests what it was told, says so in its statistics, and passes everything else on unchanged."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from random import Random

import deltalake
import pytest

from tests.support.faults.proxy import FaultProxy, run_proxy
from tests.support.faults.settings import Fault, Latency, Rule, Settings
from tests.support.servers.process import HOST
from tests.support.servers.store import ObjectStore
from tests.support.servers.tables import write_table
from tests.support.tables import numbered

CONTENT = Random(0).randbytes(3_000_000)
TARGET = "/storage/v1/b/tables/o/faults%2Fobject?alt=media"


@pytest.fixture(scope="module")
def proxy(gcs: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "object").write_bytes(CONTENT)
    gcs.upload(folder, "faults")
    with run_proxy(gcs.port, tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[HTTPConnection]:
    proxy.set(Settings())
    connection = HTTPConnection(HOST, proxy.port, timeout=2.0)
    yield connection
    connection.close()


def get(client: HTTPConnection, start: int = 0, stop: int = len(CONTENT)) -> HTTPResponse:
    client.request("GET", TARGET, headers={"Range": f"bytes={start}-{stop - 1}"})
    return client.getresponse()


def read(client: HTTPConnection, start: int = 0, stop: int = len(CONTENT)) -> bytes:
    with get(client, start, stop) as response:
        assert response.status == 206
        return response.read()


def test_what_passes_is_unchanged_and_counted(proxy: FaultProxy, client: HTTPConnection) -> None:
    assert read(client) == CONTENT
    assert read(client, 5, 9) == CONTENT[5:9]
    statistics = proxy.statistics()
    assert statistics.answers == {"GET 206": 2}
    assert statistics.sent_nbytes == len(CONTENT) + 4
    assert (statistics.num_connections, statistics.in_flight) == (1, 0)
    assert statistics.faults == {}


def test_a_status_is_answered_with_what_to_wait(proxy: FaultProxy, client: HTTPConnection) -> None:
    proxy.set(Settings(rules=(Rule(Fault.STATUS, status=429, retry_after_s=7, first=1),)))
    with get(client) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
        response.read()
    assert read(client) == CONTENT
    assert proxy.statistics().faults == {"status 429": 1}
    assert proxy.statistics().answers == {"GET 429": 1, "GET 206": 1}


@pytest.mark.parametrize("fault", [Fault.NO_RESPONSE, Fault.RESET, Fault.TRUNCATE])
def test_a_connection_that_breaks_gives_no_full_body(
    proxy: FaultProxy, client: HTTPConnection, fault: Fault
) -> None:
    proxy.set(Settings(rules=(Rule(fault),)))
    with pytest.raises((HTTPException, ConnectionError)):
        get(client).read()
    client.close()
    proxy.set(Settings())
    assert read(client) == CONTENT


@pytest.mark.parametrize("fault", [Fault.SILENCE, Fault.STALL])
def test_a_connection_that_says_nothing_more_stays_open_until_the_client_ends_it(
    proxy: FaultProxy, client: HTTPConnection, fault: Fault
) -> None:
    proxy.set(Settings(rules=(Rule(fault),)))
    client.timeout = 0.2
    with pytest.raises(TimeoutError):
        get(client).read()
    assert proxy.statistics().in_flight == 1
    client.close()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(wait_idle, proxy).result(timeout=10.0)
    assert proxy.statistics().faults == {str(fault): 1}


def wait_idle(proxy: FaultProxy) -> None:
    while proxy.statistics().in_flight:
        time.sleep(0.01)


def test_exactly_one_byte_is_corrupted(proxy: FaultProxy, client: HTTPConnection) -> None:
    proxy.set(Settings(rules=(Rule(Fault.CORRUPT),)))
    for _ in range(20):
        found = read(client, 1000, 3000)
        differ = [i for i, byte in enumerate(found) if byte != CONTENT[1000 + i]]
        assert len(differ) == 1
    assert proxy.statistics().faults == {"corrupt": 20}


def test_only_what_the_expression_finds_fails(proxy: FaultProxy, client: HTTPConnection) -> None:
    proxy.set(Settings(rules=(Rule(Fault.STATUS, only=r"^GET .*object.* bytes=5-"),)))
    assert get(client, 5, 9).read() != CONTENT[5:9]
    assert read(client, 4, 9) == CONTENT[4:9]


def test_the_same_requests_meet_the_same_faults_in_any_order(
    proxy: FaultProxy, client: HTTPConnection
) -> None:
    settings = Settings(seed=3, rules=(Rule(Fault.STATUS, 0.3), Rule(Fault.CORRUPT, 0.3)))
    order = list(range(40))
    runs = []
    for draw in (Random(1), Random(2)):
        draw.shuffle(order)
        proxy.set(settings)
        runs.append({i: get(client, i, i + 50).read() for i in order})
    assert runs[0] == runs[1]
    changed = sum(found != CONTENT[i : i + 50] for i, found in runs[0].items())
    assert 10 < changed < 34


@pytest.mark.parametrize(
    ("latency", "median_s"),
    [
        (Latency.fixed(0.03), (0.03, 0.045)),
        (Latency.uniform(0.02, 0.04), (0.02, 0.045)),
        (Latency.lognormal(0.02, 0.2), (0.008, 0.045)),
    ],
)
def test_answers_take_as_long_as_they_are_to(
    proxy: FaultProxy, client: HTTPConnection, latency: Latency, median_s: tuple[float, float]
) -> None:
    proxy.set(Settings(latency=latency))
    took = []
    for i in range(15):
        started_s = time.monotonic()
        read(client, i, i + 1)
        took.append(time.monotonic() - started_s)
    low_s, high_s = median_s
    assert low_s < sorted(took)[7] < high_s * 2  # a busy machine adds


def test_a_connection_and_all_together_are_held_to_their_rates(proxy: FaultProxy) -> None:
    def elapsed_s(num_connections: int) -> float:
        clients = [HTTPConnection(HOST, proxy.port, timeout=10.0) for _ in range(num_connections)]
        started_s = time.monotonic()
        with ThreadPoolExecutor(num_connections) as pool:
            assert all(found == CONTENT for found in pool.map(read, clients))
        for client in clients:
            client.close()
        return time.monotonic() - started_s

    proxy.set(Settings(connection_nbytes_s=10e6))
    assert 0.29 < elapsed_s(1) < 0.6
    assert 0.29 < elapsed_s(3) < 0.8
    proxy.set(Settings(total_nbytes_s=20e6))
    assert 0.43 < elapsed_s(3) < 0.9


def test_a_new_connection_starts_slowly_and_an_old_one_goes_on_fast(
    proxy: FaultProxy, client: HTTPConnection
) -> None:
    proxy.set(Settings(slow_start_rtt_s=0.05))
    took = []
    for _ in range(2):
        started_s = time.monotonic()
        assert read(client, 0, 1_000_000) == CONTENT[:1_000_000]
        took.append(time.monotonic() - started_s)
    # 14,600 bytes, twice as many in the next round trip, and so on: six waits for a megabyte.
    assert took[0] > 0.29
    assert took[1] < 0.2


def test_requests_in_flight_are_counted_at_their_most(proxy: FaultProxy) -> None:
    proxy.set(Settings(latency=Latency.fixed(0.3)))
    clients = [HTTPConnection(HOST, proxy.port, timeout=10.0) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda client: read(client, 0, 1), clients))
    for client in clients:
        client.close()
    assert proxy.statistics().max_in_flight == 8


def test_a_table_is_read_and_written_through_it_with_signatures_that_stay_valid(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    with run_proxy(object_store.port, tmp_path, with_log=True) as proxy:
        through = object_store.via(proxy.port)
        uri = write_table(through, "faults/numbered", [numbered(0, 5000)])
        table = deltalake.DeltaTable(uri, storage_options=dict(through.storage_options))
        assert table.to_pyarrow_table().num_rows == 5000
        assert proxy.statistics().num_requests > 3
        assert proxy.statistics().received_nbytes > 5000
    requests = (tmp_path / "requests.jsonl").read_text().splitlines()
    assert any('"GET ' in request and ".parquet" in request for request in requests)


def test_an_access_key_is_refused_from_its_time_on(s3: ObjectStore, tmp_path: Path) -> None:
    with run_proxy(s3.port, tmp_path) as proxy:
        filesystem = s3.via(proxy.port).filesystem()
        filesystem.pipe_file("tables/faults/key", b"content")
        key = s3.storage_options["aws_access_key_id"]
        proxy.expire({key: time.time() + 3600})
        assert filesystem.cat_file("tables/faults/key") == b"content"
        proxy.expire({key: time.time() - 1})
        with pytest.raises(OSError, match=r"Bad Request|expired"):
            filesystem.cat_file("tables/faults/key")
        assert proxy.statistics().faults["expired"] >= 1


def test_a_proxy_that_is_stopped_leaves_no_listener(gcs: ObjectStore, tmp_path: Path) -> None:
    with run_proxy(gcs.port, tmp_path) as proxy:
        socket.create_connection((HOST, proxy.port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, proxy.port))
