"""Deleted rows: never delivered, never counted, and no part of the order, for any topology."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deltastream import DeltaDataset, FieldSpec, NullValueError, TransformError
from deltastream.errors import (
    DeltaStreamError,
    FileCorruptError,
    FileMissingError,
    LogCorruptError,
)
from tests.support.loaders import batch_ids, row_ids
from tests.support.vectors import (
    DataFile,
    live_ids,
    numbered_files,
    write_files_with_vectors,
)

SIZES = [300, 10, 200, 64]
DELETED = [[0, 5, 63, 64, 299], None, list(range(64, 128)), []]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_files_with_vectors(tmp_path / "t", numbered_files(SIZES, DELETED))


def dataset(root: Path, *fields: FieldSpec, **options: Any) -> DeltaDataset:
    return DeltaDataset(root, [FieldSpec("id"), *fields], **{"batch_size": 7} | options)


@st.composite
def data_files(draw: st.DrawFn) -> list[DataFile]:
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    deleted = [
        draw(st.none() | st.just(list(range(size))) | st.sets(st.integers(0, size - 1)).map(sorted))
        for size in sizes
    ]
    return numbered_files(
        sizes,
        deleted,
        row_group_rows=draw(st.integers(1, 15)),
        has_statistics=draw(st.booleans()),
    )


@pytest.mark.filterwarnings("ignore:.*do not divide:UserWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data_files(),
    st.sampled_from("upi"),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(1, 40),
)
def test_every_live_row_is_delivered_once_in_one_order_by_any_ranks(
    files: list[DataFile],
    kind: str,
    shuffle: bool,
    lanes: int,
    batch_size: int,
    num_ranks: int,
    shuffle_rows: int,
) -> None:
    live = live_ids(files)
    assume(len(live) >= num_ranks * batch_size)
    options: dict[str, Any] = {
        "shuffle": shuffle,
        "lanes": lanes,
        "batch_size": batch_size,
        "shuffle_rows": shuffle_rows,
        "pad": False,
        "decode_threads": 2,
    }
    with tempfile.TemporaryDirectory() as folder:
        root = write_files_with_vectors(Path(folder) / "t", files, kind=kind)
        single = dataset(root, **options)
        sequence = batch_ids(single)
        assert single.num_rows == len(live)
        assert len(single) == len(sequence) == -(-len(live) // batch_size)
        assert sorted(row for batch in sequence for row in batch) == live
        if not shuffle and lanes == 1:
            assert [row for batch in sequence for row in batch] == live
        for rank in range(num_ranks):
            with_ranks = dataset(root, version=0, rank=rank, num_ranks=num_ranks, **options)
            own = batch_ids(with_ranks)
            assert own == sequence[rank::num_ranks]
            assert len(with_ranks) == len(own)
            padded = dataset(
                root, version=0, rank=rank, num_ranks=num_ranks, **options | {"pad": True}
            )
            assert len(padded) == -(-len(sequence) // num_ranks) == len(batch_ids(padded))


def test_the_order_is_that_of_a_table_that_never_had_the_rows(tmp_path: Path) -> None:
    files = numbered_files(SIZES, DELETED, row_group_rows=1000)
    rewritten = [
        DataFile(
            file.rows.take([i for i in range(file.rows.num_rows) if i not in (file.deleted or ())]),
            row_group_rows=1000,
        )
        for file in files
    ]
    with_vectors = write_files_with_vectors(tmp_path / "a", files)
    without = write_files_with_vectors(tmp_path / "b", rewritten)
    for options in ({}, {"shuffle": True, "seed": 5}, {"shuffle": True, "lanes": 3}):
        assert row_ids(dataset(with_vectors, **options)) == row_ids(dataset(without, **options))


def test_other_columns_stay_with_their_row(table: Path) -> None:
    for batch in dataset(table, FieldSpec("x"), FieldSpec("text"), shuffle=True):
        ids = batch["id"].tolist()
        assert batch["x"].tolist() == ids
        assert batch["text"] == list(map(str, ids))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("shuffle_rows", [1, 150, 1000])
def test_stacked_and_masked_columns_stay_with_their_row(
    table: Path, shuffle: bool, shuffle_rows: int
) -> None:
    fields = [
        FieldSpec(["x", "id"], target_name="both"),
        FieldSpec("x", null_mask=True),
        FieldSpec("x", target_name="half", dtype=torch.float16),
    ]
    found = []
    for batch in dataset(table, *fields, shuffle=shuffle, shuffle_rows=shuffle_rows):
        ids = batch["id"].tolist()
        found += ids
        assert batch["both"].tolist() == [[id_, id_] for id_ in ids]
        assert batch["x"].tolist() == batch["half"].tolist() == ids
        assert batch["x_mask"].all()
    assert sorted(found) == live_ids(numbered_files(SIZES, DELETED))


def test_planning_reads_no_vector_and_rows_that_are_not_read_need_none(table: Path) -> None:
    (path,) = table.glob("*.bin")
    content = path.read_bytes()
    path.unlink()
    opened = dataset(table)
    assert opened.num_rows == len(live_ids(numbered_files(SIZES, DELETED)))
    with pytest.raises(FileMissingError, match=r"part-00000\.parquet.*deletion vector.*gone"):
        list(opened)
    path.write_bytes(content)
    assert len(row_ids(opened)) == opened.num_rows


def test_a_file_whose_rows_are_all_deleted_is_never_opened(tmp_path: Path) -> None:
    files = numbered_files([10, 10], [list(range(10)), [3]])
    root = write_files_with_vectors(tmp_path / "t", files)
    (root / "part-00000.parquet").unlink()
    assert row_ids(dataset(root)) == live_ids(files)


def test_a_table_whose_rows_are_all_deleted_is_empty(tmp_path: Path) -> None:
    files = numbered_files([10, 5], [list(range(10)), list(range(5))])
    root = write_files_with_vectors(tmp_path / "t", files)
    assert (dataset(root).num_rows, len(dataset(root)), list(dataset(root))) == (0, 0, [])


def test_batches_before_a_bad_vector_are_delivered_before_its_error(tmp_path: Path) -> None:
    files = numbered_files([8192, 10], [[0], [1]], row_group_rows=4096)
    root = write_files_with_vectors(tmp_path / "t", files)
    (path,) = root.glob("*.bin")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    batches = iter(dataset(root, batch_size=4096))
    assert next(batches)["id"].tolist() == list(range(1, 4097))
    with pytest.raises(FileCorruptError, match=r"part-00001\.parquet.*checksum"):
        list(batches)


def test_a_deleted_null_needs_no_rule_and_a_live_one_is_named_as_ever(tmp_path: Path) -> None:
    rows = pa.table({"id": pa.array([0, None, 2, None], pa.int64())})
    only = write_files_with_vectors(tmp_path / "a", [DataFile(rows, [1, 3])])
    assert row_ids(dataset(only)) == [0, 2]
    one = write_files_with_vectors(tmp_path / "b", [DataFile(rows, [1])])
    with pytest.raises(NullValueError, match="1 nulls"):
        list(dataset(one))


def test_a_transform_sees_no_deleted_row_and_its_error_names_the_row_in_the_file(
    tmp_path: Path,
) -> None:
    files = numbered_files([100], [[0, 1, 2, 70]])
    root = write_files_with_vectors(tmp_path / "t", files)
    seen: list[int] = []

    def note(value: str) -> int:
        seen.append(int(value))
        return 1 // (int(value) - 71)

    field = FieldSpec("text", transform=note)
    # Row 71 of the file is row 7 of its second row group of 64 rows.
    with pytest.raises(TransformError, match="row group 1, decode, row 7: field 'text'"):
        list(dataset(root, field, decode_threads=1))
    assert not {0, 1, 2, 70} & set(seen)


def test_a_row_that_was_deleted_for_its_length_decides_no_shape(tmp_path: Path) -> None:
    lists = [[1.0, 2.0, 3.0] if n else [9.0] for n in range(100)]
    rows = pa.table(
        {"id": pa.array(range(100), pa.int64()), "v": pa.array(lists, pa.list_(pa.float32()))}
    )
    root = write_files_with_vectors(tmp_path / "t", [DataFile(rows, [0])])
    assert [batch["v"].shape[1:] for batch in dataset(root, FieldSpec("v"), batch_size=33)] == [
        (3,)
    ] * 3
    # And where all of the first rows looked at are gone, later ones are.
    root = write_files_with_vectors(tmp_path / "u", [DataFile(rows, list(range(80)))])
    assert [batch["v"].shape for batch in dataset(root, FieldSpec("v"), batch_size=20)] == [(20, 3)]


@pytest.mark.parametrize("has_statistics", [True, False])
def test_more_deleted_rows_than_a_file_has_are_refused_when_it_is_opened(
    tmp_path: Path, has_statistics: bool
) -> None:
    files = numbered_files([10], [[1, 2]], has_statistics=has_statistics)
    root = write_files_with_vectors(tmp_path / "t", files)
    log = root / "_delta_log" / "00000000000000000000.json"
    log.write_text(log.read_text().replace('"cardinality": 2', '"cardinality": 11'))
    with pytest.raises(LogCorruptError, match=r"part-00000\.parquet.*deletes 11 rows.*10"):
        dataset(root)


def test_a_file_of_another_number_of_rows_than_the_log_says_is_refused(tmp_path: Path) -> None:
    files = numbered_files([10], [[1, 2]])
    root = write_files_with_vectors(tmp_path / "t", files)
    log = root / "_delta_log" / "00000000000000000000.json"
    log.write_text(log.read_text().replace('\\"numRecords\\": 10', '\\"numRecords\\": 8'))
    with pytest.raises(FileCorruptError, match=r"10 rows.*log says 8"):
        list(dataset(root))


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_memory_is_charged_for_row_groups_of_which_few_rows_live(
    tmp_path: Path, share: float
) -> None:
    chance = np.random.default_rng(0)
    size = 20_000
    deleted = np.sort(chance.choice(size, int(size * (1 - share)), replace=False)).tolist()
    files = numbered_files([size] * 3, [deleted] * 3, row_group_rows=5_000)
    root = write_files_with_vectors(tmp_path / "t", files)
    options: dict[str, Any] = {"shuffle": True, "batch_size": 50, "memory_budget": 1 << 20}
    iterator = iter(dataset(root, shuffle_rows=1_000, lanes=1, **options))
    assert sum(len(batch["id"]) for batch in iterator) == len(live_ids(files))


def test_nothing_but_our_errors_comes_of_damaged_vector_files(table: Path) -> None:
    (path,) = table.glob("*.bin")
    good = path.read_bytes()
    chance = np.random.default_rng(1)
    expected = row_ids(dataset(table))
    for _ in range(40):
        damaged = bytearray(good)
        damaged[chance.integers(len(good))] = int(chance.integers(256))
        path.write_bytes(bytes(damaged)[: len(good) - int(chance.integers(2)) * 3])
        try:
            assert row_ids(dataset(table)) == expected
        except DeltaStreamError:
            pass
