from __future__ import annotations

from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings

from deltastream import DeltaDataset, OptionError, SchemaError, create_pytorch_dataloader
from deltastream.decode import RowGroupDecoder
from deltastream.engine.pool import DecodePool
from deltastream.pipeline import PlannedRows, RowsRequest, plan_rows, run_planning
from deltastream.predicate import Filter
from deltastream.storage import Storage, StorageAccess
from tests.support.predicates import SCHEMA, Row, Truth, filters, rows
from tests.support.tables import write_files, write_numbered
from tests.support.vectors import DataFile, write_files_with_vectors


def kept_ids(dataset: DeltaDataset) -> list[int]:
    found = [number for batch in dataset for number in batch["id"].tolist()]
    assert len(found) == dataset.num_rows
    return found


@pytest.fixture(scope="module", params=["with statistics", "without", "partitioned"])
def table(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Row]]:
    """A table of many nulls, NaN and the ends of the types, and its rows by `id`."""
    drawn = np.random.RandomState(7)
    held: list[Row] = []
    for examples in (_examples() for _ in range(4)):
        held += examples
    drawn.shuffle(held)
    schema = SCHEMA.append(pa.field("id", pa.int64()))
    written = pa.Table.from_pylist(
        [row | {"id": number} for number, row in enumerate(held)], schema=schema
    )
    files = [written.slice(start, 60) for start in range(0, len(held), 60)]
    options: dict[str, Any] = {}
    if request.param == "without":
        options = {"configuration": {"delta.dataSkippingNumIndexedCols": "0"}}
    if request.param == "partitioned":
        options = {"partition_by": ["o", "d"]}
    root = tmp_path_factory.mktemp("filtered") / "t"
    return write_files(root, files, row_group_rows=16, **options), held


def _examples() -> list[Row]:
    found: list[Row] = []

    @settings(max_examples=40, database=None)
    @given(rows(min_size=1))
    def draw(data: list[Row]) -> None:
        found.extend(data)

    draw()
    return found


@given(condition=filters())
def test_a_filtered_table_has_the_rows_of_the_full_one_that_pass(
    table: tuple[Path, list[Row]], condition: tuple[str, Truth]
) -> None:
    root, held = table
    sql, truth = condition
    dataset = DeltaDataset(root, columns=["id"], filter=sql, batch_size=50)
    expected = [number for number, row in enumerate(held) if truth(row) is True]
    assert sorted(kept_ids(dataset)) == expected
    assert len(dataset) == -(-len(expected) // 50)


def test_the_forms_of_a_filter_are_one(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [100, 100])
    forms: list[Filter] = [
        "id >= 90 AND id < 110",
        [("id", ">=", 90), ("id", "<", 110)],
        [[("ID", "in", list(range(90, 105)))], [("id", "in", list(range(105, 110)))]],
        (pc.field("id") >= 90) & (pc.field("id") < 110),
        pc.field("text").isin([str(number) for number in range(90, 110)]),
        pc.add(pc.field("id"), 10) >= 100,
    ]
    for form in forms[:5]:
        assert kept_ids(DeltaDataset(root, filter=form)) == list(range(90, 110))
    assert kept_ids(DeltaDataset(root, filter=forms[5])) == list(range(90, 200))


def test_deleted_rows_stay_deleted(tmp_path: Path) -> None:
    ids = pa.table({"id": pa.array(range(100), pa.int64())})
    write_files_with_vectors(tmp_path / "t", [DataFile(ids, range(0, 100, 2))])
    assert kept_ids(DeltaDataset(tmp_path / "t", filter="id < 10")) == [1, 3, 5, 7, 9]


def test_workers_and_ranks_share_what_passes(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [1000, 10, 500])
    loader = create_pytorch_dataloader(
        root, filter="id < 333 or id > 1300", batch_size=32,
        shuffle=True, num_workers=2, columns=["id"],
    )  # fmt: skip
    expected = [*range(333), *range(1301, 1510)]
    assert sorted(number for batch in loader for number in batch["id"].tolist()) == expected
    assert len(loader) == -(-len(expected) // 32)
    ranks = [
        DeltaDataset(
            root,
            filter="id < 333 or id > 1300",
            version=2,
            batch_size=10,
            rank=rank,
            num_ranks=3,
        )
        for rank in range(3)
    ]
    assert {len(rank) for rank in ranks} == {-(-len(expected) // 30)}
    assert {number for rank in ranks for b in rank for number in b["id"].tolist()} == {*expected}


def test_what_passes_no_row_is_empty(tmp_path: Path) -> None:
    dataset = DeltaDataset(write_numbered(tmp_path / "t", [100]), filter="id > 50 and id < 51")
    assert (dataset.num_rows, len(dataset), list(dataset)) == (0, 0, [])


def test_one_percent_of_a_sorted_table_reads_less_than_three_percent_of_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    decode = RowGroupDecoder._decode

    def count(self: RowGroupDecoder, places: list[int]) -> list[pa.Array]:
        chunks = self._reader.metadata.row_group(self._row_group)
        leaves = (leaf for place in places for leaf in self._columns.column_leaves[place])
        read.extend(chunks.column(leaf).total_compressed_size for leaf in leaves)
        return decode(self, places)

    monkeypatch.setattr(RowGroupDecoder, "_decode", count)
    root = write_numbered(tmp_path / "t", [20_000] * 5, row_group_rows=500)
    assert kept_ids(DeltaDataset(root)) == list(range(100_000))
    whole = sum(read)
    read.clear()
    assert kept_ids(
        DeltaDataset(root, filter="id >= 50250 and id < 51250", batch_size=100)
    ) == list(range(50250, 51250))
    assert 0 < sum(read) < 0.03 * whole


def test_columns_name_what_a_batch_has(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [10])
    assert list(next(iter(DeltaDataset(root, columns=["X", "id"])))) == ["x", "id"]
    for wrong in ("id", []):
        with pytest.raises(OptionError, match="columns takes a list of"):
            DeltaDataset(root, columns=wrong)
    with pytest.raises(SchemaError, match="no column 'y' in the table, whose columns are 'id'"):
        DeltaDataset(root, columns=["y"])


def test_a_file_without_the_filters_column_has_nulls_there(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [10])
    added = pa.table({"id": pa.array([10, 11]), "new": pa.array([1, None])})
    deltalake.write_deltalake(root, added, mode="append", schema_mode="merge")
    assert kept_ids(DeltaDataset(root, columns=["id"], filter="new = 1")) == [10]
    assert kept_ids(DeltaDataset(root, columns=["id"], filter="new is null")) == [*range(10), 11]


def test_statistics_and_partitions_leave_no_file_to_look_into(tmp_path: Path) -> None:
    parts = [
        pa.table({"id": range(n * 100, (n + 1) * 100), "s": [{"k.x": n}] * 100, "p": [n] * 100})
        for n in range(4)
    ]
    root = write_files(tmp_path / "t", parts, partition_by=["p"])
    for condition, num_files in [
        ("id < 200", 2),
        ("ID >= 200 and s.k.x is not null", 2),
        ("s.k.x = 3", 1),
        ("p in (0, 1) and id >= 0", 2),
        ("id < 50", 1),
    ]:
        rows = planned(root, condition)
        assert rows.snapshot.files.num_rows == num_files
        is_open = condition == "id < 50"
        assert (rows.row_filter is not None) == is_open
        assert rows.live_rows.sum() == (50 if is_open else 100 * num_files)


def planned(root: Path, condition: Filter) -> PlannedRows:
    request = RowsRequest(root, None, None, None, condition, StorageAccess())

    async def plan(storage: Storage, pool: DecodePool) -> PlannedRows:
        return await plan_rows(request, storage, pool)

    return run_planning(request, plan)


def test_a_list_without_terms_among_others_is_refused(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [10])
    conditions: list[Filter] = [[[]], [[("id", "=", 1)], []]]
    for condition in conditions:
        with pytest.raises(OptionError, match="tuples, or lists of them"):
            DeltaDataset(root, filter=condition)


def test_an_expression_that_fails_for_a_value_says_where(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [10])
    text, number = pc.field("text"), pc.field("id")
    for condition in (
        pc.match_substring_regex(text, "("),
        pc.utf8_length(text) / number > 1,
        pc.binary_join_element_wise(text, "x", "").cast("int64") > 1,
    ):
        with pytest.raises(OptionError, match="row group 0: the filter fails"):
            DeltaDataset(root, filter=condition)


def test_a_chain_of_many_terms_is_no_deep_filter(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [10])
    equal = [pc.field("id") == number for number in range(5, 705)]
    assert kept_ids(DeltaDataset(root, filter=reduce(or_, equal))) == [5, 6, 7, 8, 9]
    assert kept_ids(DeltaDataset(root, filter=reduce(and_, [~term for term in equal]))) == [
        *range(5)
    ]


def test_a_filter_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    root = write_numbered(tmp_path / "t", [10])
    term = pc.field("id") == 1
    for condition in (
        "(" * 3000 + "id = 1" + ")" * 3000,
        "NOT " * 3000 + "id = 1",
        reduce(lambda inner, _: ~inner, range(200), term),
        reduce(lambda inner, _: ~inner, range(3000), term),
    ):
        with pytest.raises(OptionError, match="nested too deeply"):
            DeltaDataset(root, filter=condition)
