"""Whatever ends an iterator, its threads, files and memory go with it, and the process goes on."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deltastream import (
    DeltaDataLoader,
    DeltaDataset,
    FieldSpec,
    ReadError,
    TransformError,
    create_pytorch_dataloader,
)
from deltastream.engine.kept_buffers import BufferMemory, KeptBuffers
from tests.support.loaders import row_ids
from tests.support.memory import serve_tables
from tests.support.tables import write_files, write_numbered

NUM_ROWS = 2000


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("close") / "table", [500, 500, 500, 500])


def loader(root: Path, **options: Any) -> DeltaDataLoader:
    arguments = {"fields": [FieldSpec("id")], "batch_size": 8, "shuffle": True} | options
    return create_pytorch_dataloader(root, **arguments)


def dataset(root: Path, **options: Any) -> DeltaDataset:
    return DeltaDataset(root, [FieldSpec("id")], batch_size=8, shuffle=True, **options)


def our_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("deltastream-")]


def open_files() -> dict[str, str]:
    """The descriptors of this process but for pipes: torch closes those to its workers in threads of its own."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # the folder's own
    return {name: target for name, target in found.items() if not target.startswith("pipe:")}


@pytest.fixture
def nothing_left(table: Path) -> Iterator[None]:
    """After the test there is no thread and no file more than before; threads end without the garbage collector."""
    row_ids(loader(table))
    gc.collect()
    # What earlier tests dropped ends first: it must not be taken for what was here before.
    for thread in threading.enumerate():
        if thread.name.startswith("deltastream-"):
            thread.join(timeout=10)
    threads, files = our_threads(), open_files()
    gc.disable()
    try:
        yield
        assert our_threads() == threads
    finally:
        gc.enable()
    # A caught exception holds frames, a frame the loader, a loader its shared memory.
    gc.collect()
    assert open_files() == files


pytestmark = pytest.mark.usefixtures("nothing_left")


def test_close_ends_every_thread_before_it_returns(table: Path) -> None:
    batches = iter(dataset(table))
    next(batches)
    assert our_threads()
    batches.close()
    assert our_threads() == []
    batches.close()


def test_a_closed_iterator_gives_no_batch(table: Path) -> None:
    batches = iter(dataset(table))
    next(batches)
    batches.close()
    assert next(batches, None) is None


def test_the_last_batch_ends_every_thread(table: Path) -> None:
    batches = iter(loader(table))
    for _ in range(NUM_ROWS // 8):
        next(batches)
    assert next(batches, None) is None
    assert our_threads() == []


@pytest.mark.parametrize("make", [dataset, loader])
def test_dropping_the_last_reference_ends_every_thread(table: Path, make: Any) -> None:
    batches = iter(make(table))
    next(batches)
    assert our_threads()
    del batches
    assert our_threads() == []


@pytest.mark.parametrize("make", [dataset, loader])
def test_an_iterator_that_was_never_advanced_ends_like_any_other(table: Path, make: Any) -> None:
    batches = iter(make(table))
    del batches
    assert our_threads() == []


def test_an_exception_in_the_loop_ends_every_thread(table: Path) -> None:
    def train() -> None:
        for _ in loader(table):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert our_threads() == []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_after_a_break_the_table_can_be_read_again(table: Path, num_workers: int) -> None:
    many = loader(table, num_workers=num_workers)
    for _ in many:
        break
    assert sorted(row_ids(many)) == list(range(NUM_ROWS))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_two_iterators_at_once_read_an_epoch_each(table: Path, num_workers: int) -> None:
    many = loader(table, num_workers=num_workers, lanes=4)
    first, second = iter(many), iter(many)
    found: tuple[list[int], list[int]] = ([], [])
    for one, other in zip(first, second, strict=True):
        found[0].extend(one["id"].tolist())
        found[1].extend(other["id"].tolist())
    assert sorted(found[0]) == sorted(found[1]) == list(range(NUM_ROWS))
    if num_workers == 0:
        assert found[0] != found[1]


def test_closing_one_iterator_leaves_the_other(table: Path) -> None:
    data = dataset(table)
    first, second = iter(data), iter(data)
    next(first)
    next(second)
    first.close()
    assert len(list(second)) == NUM_ROWS // 8 - 1


def test_an_iterator_may_be_closed_by_another_thread_while_the_consumer_waits(table: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(value: int) -> int:
        begun.set()
        go_on.wait()
        return value

    fields = [FieldSpec("id", transform=wait)]
    batches = iter(DeltaDataset(table, fields, batch_size=8, decode_threads=1))

    def close() -> None:
        begun.wait()
        threading.Timer(0.05, go_on.set).start()
        batches.close()

    closer = threading.Thread(target=close)
    closer.start()
    # Closed before the consumer waits: the end. While it waits: an error.
    with pytest.raises((StopIteration, ReadError)):
        next(batches)
    closer.join()
    assert our_threads() == []


def test_closing_waits_for_the_transform_that_runs_and_for_no_row_group_more(table: Path) -> None:
    begun = threading.Event()
    calls = []

    def wait(value: int) -> int:
        begun.set()
        calls.append(value)
        time.sleep(0.002)
        return value

    fields = [FieldSpec("id", transform=wait)]
    batches = iter(DeltaDataset(table, fields, batch_size=8, decode_threads=2))
    begun.wait()
    batches.close()
    assert len(calls) <= 2 * 64


def test_a_failure_ends_every_thread(table: Path) -> None:
    def fail_at_999(value: int) -> int:
        if value == 999:
            raise ValueError("nine hundred and ninety-nine")
        return value

    batches = iter(loader(table, fields=[FieldSpec("id", transform=fail_at_999)]))
    with pytest.raises(TransformError, match="nine hundred"):
        list(batches)
    assert our_threads() == []


@pytest.mark.parametrize("fatal", [SystemExit, KeyboardInterrupt])
def test_a_transform_that_asks_for_the_end_of_the_process_ends_every_thread(
    table: Path, fatal: type[BaseException]
) -> None:
    def leave(value: int) -> int:
        raise fatal(3)

    with pytest.raises((fatal, ReadError, TransformError)):
        next(iter(loader(table, fields=[FieldSpec("id", transform=leave)])))
    left = our_threads()
    gc.collect()
    assert left == []


@pytest.fixture(scope="module")
def large_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 MiB."""
    parts = [pa.table({"x": np.arange(1 << 20, dtype=np.float64)}) for _ in range(4)]
    return write_files(tmp_path_factory.mktemp("large") / "table", parts, row_group_rows=1 << 17)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_closed_iterator_holds_no_rows(large_table: Path, shuffle: bool) -> None:
    data = DeltaDataset(large_table, batch_size=1 << 10, shuffle=shuffle, lanes=1)
    list(data)
    gc.collect()
    before = used_nbytes()
    batches = iter(data)
    kept = [next(batches) for _ in range(2000)]
    assert used_nbytes() - before > 12 << 20
    batches.close()
    del kept
    assert used_nbytes() - before < 1 << 20


@pytest.mark.parametrize("shuffle", [True, False])
def test_iterators_that_were_left_early_leave_no_memory_behind(
    large_table: Path, shuffle: bool
) -> None:
    data = DeltaDataset(large_table, batch_size=1 << 10, shuffle=shuffle, lanes=1)

    def leave_early() -> None:
        batches = iter(data)
        for _ in range(1000):
            next(batches)

    leave_early()
    gc.collect()
    before = used_nbytes()
    for _ in range(8):
        leave_early()
    gc.collect()
    assert used_nbytes() - before < 1 << 20


@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_windows_that_were_used_up_need_no_collector_to_give_their_memory_back(
    large_table: Path, monkeypatch: pytest.MonkeyPatch, is_remote: bool, shuffle: bool
) -> None:
    if is_remote:
        serve_tables(monkeypatch, t=large_table)
    path = "test://t" if is_remote else large_table
    data = DeltaDataset(path, batch_size=1 << 10, shuffle=shuffle, lanes=1)
    list(data)
    gc.collect()
    gc.disable()
    try:
        batches = iter(data)
        assert sum(len(batch["x"]) for batch in batches) == 1 << 22
        assert data.statistics().budget.used_nbytes == 0
    finally:
        gc.enable()


def test_what_is_kept_and_was_made_anew_is_counted(tmp_path: Path) -> None:
    num_rows = 1 << 17
    numbers = np.arange(num_rows)
    rows = pa.table(
        {
            "truth": numbers % 3 == 0,
            "decimal": pa.array(numbers.astype(np.int32)).cast(pa.decimal128(18, 0)),
            "nullable": pa.array(numbers, mask=numbers % 5 == 0),
        }
    )
    root = write_files(tmp_path / "t", [rows], row_group_rows=num_rows)
    fields = [FieldSpec("truth"), FieldSpec("decimal"), FieldSpec("nullable", null_mask=True)]
    data = DeltaDataset(root, fields, batch_size=1 << 14)
    batches = iter(data)
    kept = list(batches)
    held = sum(tensor.nbytes for batch in kept for tensor in batch.values())
    assert held == num_rows * (1 + 8 + 8 + 1)
    assert data.statistics().budget.used_nbytes >= held


def test_few_rows_of_a_large_row_group_do_not_hold_it(tmp_path: Path) -> None:
    num_rows, num_columns = 200_000, 20
    column = np.arange(num_rows, dtype=np.int32)
    rows = pa.table({f"c{i}": column for i in range(num_columns)})
    root = write_files(tmp_path / "t", [rows], row_group_rows=num_rows)
    data = DeltaDataset(root, batch_size=100, filter="c0 < 100")
    before = pa.total_allocated_bytes()
    (batch,) = data
    assert len(batch["c0"]) == 100
    assert pa.total_allocated_bytes() - before < num_columns << 16


def used_nbytes() -> int:
    """What Arrow and our buffers hold, alive; what is kept for a later epoch, or by allocators, is theirs."""
    objects = gc.get_objects()
    buffers = sum(len(each) for each in objects if type(each) is BufferMemory)
    kept = sum(each.nbytes for each in objects if type(each) is KeptBuffers)
    return int(pa.total_allocated_bytes()) + buffers - kept
