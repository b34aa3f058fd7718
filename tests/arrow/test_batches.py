from __future__ import annotations

import gc
import threading
from pathlib import Path

import pyarrow as pa
import pytest

import deltastream
from deltastream import FileCorruptError, OptionError
from tests.support.tables import base_ids, data_files, numbered, write_numbered


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("deltastream-")]


def ids(batches: list[pa.RecordBatch]) -> list[int]:
    return [value for batch in batches for value in batch.column("id").to_pylist()]


def test_a_batch_is_a_row_group_of_the_schema(tmp_path: Path) -> None:
    write_numbered(tmp_path, [100, 64])
    batches = deltastream.iter_arrow(tmp_path)
    assert batches.schema.equals(numbered(0, 0).schema)
    found = list(batches)
    assert [batch.num_rows for batch in found] == [64, 36, 64]
    assert all(batch.schema.equals(batches.schema) for batch in found)
    assert ids(found) == base_ids(tmp_path)


@pytest.mark.parametrize(
    ("max_rows", "sizes"), [(64, [64, 36]), (40, [40, 24, 36]), (1000, [64, 36])]
)
def test_longer_row_groups_are_cut(tmp_path: Path, max_rows: int, sizes: list[int]) -> None:
    write_numbered(tmp_path, [100])
    found = list(deltastream.iter_arrow(tmp_path, max_rows=max_rows))
    assert [batch.num_rows for batch in found] == sizes
    assert ids(found) == list(range(100))


@pytest.mark.parametrize("option", ["max_rows", "memory_budget", "decode_threads"])
def test_options_that_cannot_be_are_refused(tmp_path: Path, option: str) -> None:
    write_numbered(tmp_path, [1])
    for value in (0, "1", 1.5, True):
        with pytest.raises(OptionError, match=f"{option} must be an integer of at least 1"):
            deltastream.iter_arrow(tmp_path, **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("budget", [1, 2_000, 1 << 30])
def test_any_budget_gives_the_same_rows(tmp_path: Path, budget: int) -> None:
    write_numbered(tmp_path, [300] * 5)
    assert ids(list(deltastream.iter_arrow(tmp_path, memory_budget=budget))) == base_ids(tmp_path)


def test_no_more_is_read_ahead_than_the_budget_holds(tmp_path: Path) -> None:
    write_numbered(tmp_path, [6400])
    # A row group of 64 rows is charged 64 * (8 + 4 + 64) bytes and its texts.
    budget = 32 << 10
    with deltastream.iter_arrow(tmp_path, memory_budget=budget) as batches:
        for _ in batches:
            assert batches.statistics().budget.used_nbytes <= budget
        figures = batches.statistics()
    assert figures.num_batches == 100
    assert figures.budget.num_waits > 0
    assert figures.budget.peak_nbytes <= budget


def test_a_batch_outlives_its_iterator(tmp_path: Path) -> None:
    write_numbered(tmp_path, [64, 64])
    batches = deltastream.iter_arrow(tmp_path)
    first = next(batches)
    batches.close()
    assert ids([first]) == list(range(64))


def test_an_iterator_that_is_dropped_half_way_ends_its_threads(tmp_path: Path) -> None:
    write_numbered(tmp_path, [64] * 50)
    batches = deltastream.iter_arrow(tmp_path, memory_budget=1)
    next(batches)
    assert threads()
    del batches
    gc.collect()
    assert not threads()


def test_a_closed_iterator_has_ended(tmp_path: Path) -> None:
    write_numbered(tmp_path, [64] * 3)
    with deltastream.iter_arrow(tmp_path, max_rows=10) as batches:
        next(batches)
    assert not threads()
    assert list(batches) == []


def test_a_failure_comes_after_the_rows_before_it_and_stays(tmp_path: Path) -> None:
    write_numbered(tmp_path, [64] * 40)
    broken = data_files(tmp_path)[20]
    content = broken.read_bytes()
    # Past the magic bytes lie pages; the footer is whole.
    broken.write_bytes(content[:4] + bytes(400) + content[404:])
    batches = deltastream.iter_arrow(tmp_path)
    found = [next(batches) for _ in range(20)]
    for _ in range(2):
        with pytest.raises(FileCorruptError):
            next(batches)
    assert len(ids(found)) == 20 * 64
    assert not threads()


def test_a_table_without_rows_gives_no_batch(tmp_path: Path) -> None:
    write_numbered(tmp_path, [0])
    assert list(deltastream.iter_arrow(tmp_path)) == []
