"""Faults that pass leave no trace in what is delivered; those that stay end in an error: what, and how often tried."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import deltastream
from deltastream import DeltaDataset, FieldSpec, FileUnavailableError, StorageError
from tests.support.checksums import assert_noisy, write_with_checksums
from tests.support.faults.proxy import FaultProxy, run_proxy
from tests.support.faults.settings import Fault, Rule, Settings
from tests.support.servers.access import Access
from tests.support.servers.process import free_ports

END_LIMIT_S = 30.0
"""From the first attempt to the error."""

STATUSES = (500, 503, 429)
PASSING = (
    *((Fault.STATUS, status) for status in STATUSES),
    *((fault, 0) for fault in Fault if fault is not Fault.STATUS),
)
LASTING = (*(one for one in PASSING if one[0] is not Fault.CORRUPT), (Fault.STATUS, 403))
NAMES = ("n0", "n1", "n2")


@dataclass(frozen=True, slots=True)
class Behind:
    """A store behind a proxy."""

    direct: Access
    through: Access
    proxy: FaultProxy


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Row groups of 80 kB, so that data lies apart from footers."""
    root = tmp_path_factory.mktemp("faults") / "table"
    return write_with_checksums(root, [10_000, 7_500, 10_000, 2_500], row_group_rows=2_500)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faults") / "small"
    return write_with_checksums(root, [5000], row_group_rows=5000)


@pytest.fixture(scope="module")
def behind(
    remote_accesses: dict[str, Access], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Behind]]:
    """Each store through each transport, each behind a proxy of its own."""
    with ExitStack() as stack:
        found = {}
        for name, access in remote_accesses.items():
            assert access.store is not None
            folder = tmp_path_factory.mktemp(f"proxy-{name}")
            proxy = stack.enter_context(run_proxy(access.store.port, folder, with_log=True))
            found[name] = Behind(access, access.via(proxy.port), proxy)
        yield found


def side_by_side(calls: dict[Any, Callable[[], Any]]) -> dict[Any, Any]:
    """Return what each call returns, or its failed assertion; they wait for most of their time."""

    def run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return dict(zip(calls, pool.map(run, calls.values()), strict=True))


def read_epochs(path: str | Path, num_epochs: int, **options: Any) -> list[list[int]]:
    """The ids of some epochs, every value of which is checked."""
    data = DeltaDataset(
        path,
        [FieldSpec(name) for name in ("id", *NAMES)],
        batch_size=500,
        shuffle=True,
        shuffle_rows=4000,
        lanes=2,
        decode_threads=2,
        **options,
    )
    epochs = []
    for _ in range(num_epochs):
        ids: list[int] = []
        for batch in data:
            assert_noisy({name: values.numpy() for name, values in batch.items()})
            ids += batch["id"].tolist()
        epochs.append(ids)
    return epochs


@pytest.mark.timeout(600)
@pytest.mark.parametrize("probability", [0.01, 0.05])
def test_every_fault_at_once_leaves_rows_order_and_values_as_they_are(
    behind: dict[str, Behind], table: Path, probability: float, seed: int, stress: bool
) -> None:
    num_epochs = 10 if stress else 1
    expected = read_epochs(table, num_epochs)
    rules = tuple(
        Rule(fault, probability, status=status or 503, retry_after_s=0.1 if status == 429 else None)
        for fault, status in PASSING
    )

    def read(one: Behind) -> list[list[int]]:
        one.direct.put(table)
        uri = one.through.put(table)
        one.proxy.set(Settings(seed=seed, rules=rules))
        return read_epochs(uri, num_epochs, **one.through.options)

    found = side_by_side({name: (lambda one=one: read(one)) for name, one in behind.items()})
    assert found == dict.fromkeys(behind, expected)
    counted = [one.proxy.statistics() for one in behind.values()]
    num_faults = sum(sum(one.faults.values()) for one in counted)
    # Of a few requests one in a hundred may be none.
    if probability > 0.01 or stress:
        assert num_faults > sum(one.num_requests for one in counted) * probability


@pytest.mark.timeout(300)
def test_what_is_never_given_is_an_error_in_time_that_names_it_and_the_attempts(
    behind: dict[str, Behind], small: Path
) -> None:
    def end(one: Behind, uri: str, named: str, error: type[StorageError]) -> None:
        started_s = time.monotonic()
        with pytest.raises(error) as raised:
            read_epochs(uri, 1, **one.through.options)
        message = str(raised.value)
        assert named in message
        told = re.search(r" failed after (\d+) attempts? in ([\d.]+) s: \S", message)
        assert told is not None, message
        assert float(told[2]) < END_LIMIT_S
        # What came before took its time beside all the others.
        assert time.monotonic() - started_s < 1.5 * END_LIMIT_S

    calls = {}
    (nobody,) = free_ports(1)
    for name, one in behind.items():
        rules = []
        for fault, status in LASTING:
            for named in ("part-00000.parquet", "_delta_log"):
                assert one.direct.store is not None
                assert one.through.store is not None
                place = f"never/{fault}-{status}-{named[:5]}".replace(" ", "-")
                one.direct.store.upload(small, place)
                uri = one.through.store.upload(small, place)
                rules.append(Rule(fault, only=f"{place}.*{named}", status=status or 503))
                error = StorageError if named == "_delta_log" else FileUnavailableError
                calls[name, place] = lambda call=(one, uri, named, error): end(*call)
        one.proxy.set(Settings(rules=tuple(rules)))
        one.direct.put(small)
        nowhere = replace(one, through=one.direct.via(nobody))
        uri = nowhere.through.put(small)
        calls[name, "nowhere"] = lambda call=(nowhere, uri, "_delta_log", StorageError): end(*call)
    found = side_by_side(calls)
    assert found == dict.fromkeys(calls)


def test_a_fault_of_the_log_is_passed_over_too(behind: dict[str, Behind], small: Path) -> None:
    for one in behind.values():
        one.direct.put(small)
        uri = one.through.put(small)
        one.proxy.set(Settings(rules=(Rule(Fault.NO_RESPONSE, only="_delta_log", first=2),)))
        rows = deltastream.read_arrow(uri, **one.through.options)
        assert rows.equals(deltastream.read_arrow(small))
        assert one.proxy.statistics().faults


def test_what_is_flipped_for_good_is_an_error_that_names_its_row_group(
    behind: dict[str, Behind], table: Path
) -> None:
    for one in behind.values():
        one.direct.put(table)
        one.proxy.set(Settings(rules=(Rule(Fault.CORRUPT, only=r"part-00001\.parquet"),)))
        with pytest.raises(deltastream.FileCorruptError, match=r"part-00001\.parquet.*row group"):
            read_epochs(one.through.put(table), 1, **one.through.options)
        # It is fetched three times anew.
        assert one.proxy.statistics().faults["corrupt"] >= 4
