"""The budget holds where answers take long and many requests are in flight: memory does not follow the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.checksums import write_with_checksums
from tests.support.children import run_script
from tests.support.faults.proxy import run_proxy
from tests.support.faults.settings import Latency, Settings
from tests.support.servers.access import REMOTE_ACCESSES, Access
from tests.support.servers.store import ObjectStore

BUDGET_NBYTES = 96 << 20
BESIDE_NBYTES = 150 << 20
"""What a process may hold beside its budget: code that is loaded late, pools of Arrow, torch and malloc."""
MIN_IN_FLIGHT = 48
"""Of 64 that are allowed, and so many a proxy sees at once now and then."""

SCRIPT = """
import json, os, sys, threading
import deltastream.storage.resolve as resolve
from deltastream import DeltaDataset
from deltastream.options import MAX_REQUESTS

# Not climbed to: there from the start.
resolve.START_REQUESTS = MAX_REQUESTS

def resident():
    with open("/proc/self/status") as status:
        kinds = {line.split(":")[0]: int(line.split()[1]) for line in status if " kB" in line}
    return (kinds["RssAnon"] + kinds["RssShmem"]) << 10

if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    before, peak, done = resident(), 0, threading.Event()
    def watch():
        global peak
        while not done.wait(0.005):
            peak = max(peak, resident())
    watcher = threading.Thread(target=watch)
    watcher.start()
    print("ready", flush=True)
    data = DeltaDataset(sys.argv[1], batch_size=4096, shuffle=True, shuffle_rows=250_000, lanes=2,
                        memory_budget=int(sys.argv[3]), **options)
    num_rows = sum(len(batch["id"]) for batch in data)
    done.set()
    watcher.join()
    print(json.dumps({"num_rows": num_rows, "over_nbytes": peak - before}))
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 MB in row groups of 320 kB: with a budget of 96 MB there are 64 on their way at any time."""
    root = tmp_path_factory.mktemp("memory") / "table"
    return write_with_checksums(root, [400_000] * 10, row_group_rows=10_000)


@pytest.mark.parametrize("name", [name for name in REMOTE_ACCESSES if name.startswith("s3")])
def test_memory_stays_within_the_budget_at_100_ms_and_many_requests_in_flight(
    s3: ObjectStore, table: Path, tmp_path: Path, name: str
) -> None:
    access = Access(s3, name.partition("-")[2])
    uri = access.put(table)
    with run_proxy(s3.port, tmp_path / "proxy") as proxy:
        proxy.set(Settings(latency=Latency.fixed(0.1)))
        options = json.dumps(access.via(proxy.port).options)
        ended = run_script(tmp_path / "script.py", SCRIPT, uri, options, BUDGET_NBYTES)
        statistics = proxy.statistics()
    assert (ended.returncode, ended.err) == (0, "")
    found = json.loads(ended.out.splitlines()[-1])
    assert found["num_rows"] == 4_000_000
    assert statistics.max_in_flight >= MIN_IN_FLIGHT, statistics
    assert found["over_nbytes"] < BUDGET_NBYTES + BESIDE_NBYTES, found
