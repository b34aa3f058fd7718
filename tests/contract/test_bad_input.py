"""Whatever is wrong with a table or a transform is said clearly, at its place, and never looks like an end."""

from __future__ import annotations

import gc
import itertools
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deltastream
from deltastream import (
    DeltaDataset,
    DeltaStreamError,
    FieldSpec,
    OptionError,
    ReadError,
    create_pytorch_dataloader,
)
from tests.support.tables import base_ids, data_files, numbered, write_files, write_numbered
from tests.support.transforms import fail_at_seven

FILE_ROWS, GROUP_ROWS = 5000, 2500
"""Without shuffle, footers of files that have fewer than 4,096 rows together may be read before the first batch."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four files of two row groups; in base order the third is `data_files(table)[2]`."""
    return write_numbered(tmp_path / "table", [FILE_ROWS] * 4, row_group_rows=GROUP_ROWS)


def loader(root: Path, **options: Any) -> Any:
    return create_pytorch_dataloader(
        root, **{"fields": [FieldSpec("id"), FieldSpec("x")], "batch_size": 500} | options
    )


def ids_until_failure(batches: Iterator[Any]) -> tuple[list[int], DeltaStreamError]:
    found: list[int] = []
    try:
        found.extend(row for batch in batches for row in batch["id"].tolist())
    except DeltaStreamError as error:
        # Without the frames: one of them is the caller's, which keeps the error.
        return found, error.with_traceback(None)
    pytest.fail("nothing failed")


# What happens to the third file, and what is said of it.


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwrite_footer(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-200:-8] = b"\xff" * 192
    path.write_bytes(content)


def overwrite_magic(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4] + b"ABCD")


def overwrite_first_page(path: Path) -> None:
    chunk = pq.read_metadata(path).row_group(0).column(0)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)


def replace_by_other_rows(path: Path) -> None:
    """Another table, of the size that the log promises, with another number of rows."""
    nbytes = path.stat().st_size
    pq.write_table(numbered(0, 10), path)
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    padding = b"\0" * (nbytes - len(content))
    path.write_bytes(content[:-footer] + padding + content[-footer:])
    assert path.stat().st_size == nbytes


DAMAGES = [
    (remove, "FileMissingError", "the file is gone"),
    (truncate, "FileCorruptError", "bytes, the log says"),
    (empty, "FileCorruptError", "the log says"),
    (overwrite_footer, "FileCorruptError", "not a readable Parquet footer"),
    (overwrite_magic, "FileCorruptError", "not a readable Parquet footer"),
    (
        overwrite_first_page,
        "FileCorruptError",
        "row group 0, decode: the row group does not decode",
    ),
    (replace_by_other_rows, "FileCorruptError", "the footer has 10 rows, the log says 5000"),
]


@pytest.mark.parametrize(
    ("damage", "error", "message"), DAMAGES, ids=[damage.__name__ for damage, _, _ in DAMAGES]
)
def test_a_damaged_file_is_named_after_the_batches_before_it(
    table: Path, damage: Callable[[Path], None], error: str, message: str
) -> None:
    expected = base_ids(table)
    path = data_files(table)[2]
    damage(path)
    found, raised = ids_until_failure(iter(loader(table)))
    assert found == expected[: 2 * FILE_ROWS]
    assert type(raised).__name__ == error
    for part in (str(table), "version 3", path.name, message):
        assert part in str(raised)


@pytest.mark.parametrize(("damage", "error", "message"), [DAMAGES[0], DAMAGES[5]])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_damaged_file_is_named_by_workers_too(
    table: Path, damage: Callable[[Path], None], error: str, message: str, shuffle: bool
) -> None:
    path = data_files(table)[2]
    damage(path)
    found, raised = ids_until_failure(iter(loader(table, num_workers=2, shuffle=shuffle)))
    assert len(found) < 4 * FILE_ROWS
    assert type(raised).__name__ == error
    for part in (str(table), "version 3", path.name, message):
        assert part in str(raised)


def test_workers_end_with_the_error_of_one_without_the_garbage_collector(table: Path) -> None:
    data_files(table)[2].unlink()
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(deltastream.FileMissingError):
            list(loader(table, num_workers=2))
        assert not multiprocessing.active_children()
    finally:
        gc.enable()


@pytest.mark.parametrize("decode_threads", [1, 8])
def test_a_damaged_row_group_fails_at_its_place(table: Path, decode_threads: int) -> None:
    expected = base_ids(table)
    path = data_files(table)[2]
    chunk = pq.read_metadata(path).row_group(1).column(1)
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset : chunk.data_page_offset + 30] = b"\xff" * 30
    path.write_bytes(content)
    found, raised = ids_until_failure(iter(loader(table, decode_threads=decode_threads)))
    assert found == expected[: 2 * FILE_ROWS + GROUP_ROWS]
    assert "row group 1" in str(raised)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_failed_read_never_looks_like_the_end_of_the_epoch(
    table: Path, shuffle: bool, num_workers: int
) -> None:
    overwrite_first_page(data_files(table)[2])
    batches = iter(loader(table, shuffle=shuffle, num_workers=num_workers))
    ids_until_failure(batches)


def test_a_failure_is_raised_again_by_a_consumer_that_goes_on(table: Path) -> None:
    overwrite_first_page(data_files(table)[2])
    batches = iter(loader(table))
    ids_until_failure(batches)
    with pytest.raises(DeltaStreamError):
        next(batches)


def test_a_missing_file_that_a_filter_leaves_out_is_no_error(tmp_path: Path) -> None:
    parts = [
        numbered(0, 20).append_column("part", pa.array([["a", "b"][i % 2] for i in range(20)]))
    ]
    root = write_files(tmp_path / "table", parts, partition_by=["part"])
    shutil.rmtree(root / "part=b")
    found = loader(root, partition_filter=[("part", "=", "a")])
    assert sorted(row for batch in found for row in batch["id"].tolist()) == list(range(0, 20, 2))


def test_statistics_that_disagree_with_the_file_are_an_error_and_not_another_order(
    table: Path,
) -> None:
    commit = table / "_delta_log" / f"{2:020d}.json"
    content = commit.read_text()
    commit.write_text(content.replace('\\"numRecords\\":5000', '\\"numRecords\\":4999'))
    found, raised = ids_until_failure(iter(loader(table)))
    assert set(found) < set(range(4 * FILE_ROWS))
    assert "the footer has 5000 rows, the log says 4999" in str(raised)


def test_files_without_statistics_are_counted_by_their_footers(table: Path) -> None:
    expected = base_ids(table)
    for commit in (table / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if "add" in action:
                del action["add"]["stats"]
        commit.write_text("".join(json.dumps(action) + "\n" for action in actions))
    counted = loader(table)
    assert len(counted) == 40
    assert [row for batch in counted for row in batch["id"].tolist()] == expected
    path = data_files(table)[1]
    overwrite_footer(path)
    with pytest.raises(deltastream.FileCorruptError, match="not a readable Parquet footer"):
        loader(table)
    path.unlink()
    with pytest.raises(deltastream.FileMissingError, match=path.name):
        loader(table)


@pytest.mark.parametrize(
    "damage", [remove, truncate, overwrite_footer, overwrite_magic, overwrite_first_page]
)
def test_a_damaged_first_file_is_named_when_the_shape_of_a_column_is_looked_up(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    part = pa.table({"key": [bytes([i % 7] * 4) for i in range(100)]})
    root = write_files(tmp_path / "table", [part])
    path = data_files(root)[0]
    damage(path)
    with pytest.raises(deltastream.ReadError, match=path.name):
        loader(root, fields=[FieldSpec("key")])


# The user's own code.


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_transform_that_raises_is_told_with_its_row(table: Path, num_workers: int) -> None:
    fields = [FieldSpec("id", transform=fail_at_seven)]
    found, raised = ids_until_failure(iter(loader(table, fields=fields, num_workers=num_workers)))
    order = base_ids(table)
    assert found == order[: order.index(7) // GROUP_ROWS * GROUP_ROWS]
    assert isinstance(raised, deltastream.TransformError)
    first = data_files(table)[order.index(7) // FILE_ROWS].name
    for part in (str(table), first, "row group 0", "row 7", "'id'", "LookupError: seven"):
        assert part in str(raised)
    if num_workers == 0:
        assert isinstance(raised.__cause__, LookupError)


def test_a_transform_that_raises_stop_iteration_does_not_end_the_epoch(table: Path) -> None:
    def stop(value: int) -> int:
        raise StopIteration

    with pytest.raises(deltastream.TransformError, match="StopIteration"):
        list(loader(table, fields=[FieldSpec("id", transform=stop)]))


def test_results_that_make_no_batch_are_told_with_their_field(table: Path) -> None:
    counter = itertools.count()
    for transform in (lambda value: [0] * (next(counter) % 3), lambda value: None):
        with pytest.raises(deltastream.TransformError, match="field 'id'"):
            list(loader(table, fields=[FieldSpec("id", transform=transform)]))


def test_a_transform_that_cannot_go_to_workers_is_refused_and_told_why(table: Path) -> None:
    fields = [FieldSpec("id", transform=lambda value: value + 1)]
    with pytest.raises(OptionError, match=r"'id'.*cannot be pickled.*num_workers=0"):
        loader(table, fields=fields, num_workers=2)
    ids = [row for batch in loader(table, fields=fields) for row in batch["id"].tolist()]
    assert ids == [row + 1 for row in base_ids(table)]


def test_a_null_without_a_rule_is_told_with_what_to_do(tmp_path: Path) -> None:
    root = write_files(tmp_path / "table", [pa.table({"id": [1, None, 3]})])
    with pytest.raises(
        deltastream.NullValueError, match=r"'id' has 1 nulls.*fill_null=VALUE.*null_mask=True"
    ):
        list(loader(root, fields=[FieldSpec("id")]))


def test_deltalake_agrees_that_these_tables_are_sound(table: Path) -> None:
    assert deltalake.DeltaTable(table).to_pyarrow_table().num_rows == 4 * FILE_ROWS


def test_after_ctrl_c_in_next_the_iterator_does_not_look_as_if_the_epoch_were_over(
    table: Path,
) -> None:
    def interrupt(value: int) -> int:
        raise KeyboardInterrupt

    batches = iter(DeltaDataset(table, [FieldSpec("id", transform=interrupt)]))
    with pytest.raises(KeyboardInterrupt):
        next(batches)
    with pytest.raises(ReadError, match="closed by KeyboardInterrupt"):
        next(batches)
