from __future__ import annotations

from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import deltastream
from deltastream import OptionError, SchemaError, VersionNotFoundError
from deltastream.types import FIELD_ID, PHYSICAL_NAME
from tests.support.logs import read
from tests.support.tables import base_ids, numbered, write_files, write_numbered
from tests.test_layers import run_fresh


def test_a_table_is_read_whole_in_base_order(tmp_path: Path) -> None:
    write_numbered(tmp_path, [100, 1, 63, 64, 65])
    found = deltastream.read_arrow(tmp_path)
    assert found.column("id").to_pylist() == base_ids(tmp_path)
    assert found.equals(numbered(0, 293).take(found.column("id")))


def test_the_schema_is_the_tables(tmp_path: Path) -> None:
    write_numbered(tmp_path, [10])
    assert deltastream.read_arrow(tmp_path).schema.equals(read(tmp_path).schema)


@pytest.mark.parametrize("columns", [["text", "id"], ["x"], []])
def test_columns_come_as_they_were_asked_for(tmp_path: Path, columns: list[str]) -> None:
    write_numbered(tmp_path, [10, 5])
    found = deltastream.read_arrow(tmp_path, columns=columns)
    assert found.column_names == columns
    assert found.num_rows == 15


@pytest.mark.parametrize("filter", [None, "id IN (5, 39, 40, 41, 250, 300, 399)"])
@pytest.mark.parametrize("columns", [[], ["p"], ["new"], ["s.new"], ["new", "p"], ["id"]])
def test_every_row_comes_also_where_files_have_none_of_the_columns(
    tmp_path: Path, columns: list[str], filter: str | None
) -> None:
    def rows(start: int, **more: pa.Array) -> pa.Table:
        numbers = range(start, start + 100)
        parts = pa.array([n // 40 for n in numbers], pa.int32())
        return pa.table({"id": numbers, "p": parts, "s": [{"a": n} for n in numbers], **more})

    files = [rows(start) for start in (0, 100, 200)]
    evolved = rows(300, new=pa.array(range(100)))
    evolved = evolved.set_column(2, "s", pa.array([{"a": 1, "new": n} for n in range(100)]))
    write_files(tmp_path, files, partition_by=["p"], row_group_rows=16)
    deltalake.write_deltalake(tmp_path, evolved, mode="append", schema_mode="merge")
    whole = deltastream.read_arrow(tmp_path, filter=filter)
    assert whole.num_rows == (400 if filter is None else 7)
    found = deltastream.read_arrow(tmp_path, columns=columns, filter=filter)
    assert found.num_rows == whole.num_rows
    for name in columns:
        if name == "s.new":
            expected = pc.struct_field(whole["s"], "new")
            assert pc.struct_field(found["s"], "new").equals(expected)
        else:
            assert found[name].equals(whole[name])
    with deltastream.iter_arrow(tmp_path, columns=columns, filter=filter, max_rows=7) as batches:
        assert sum(batch.num_rows for batch in batches) == whole.num_rows


@pytest.mark.parametrize(("columns", "error"), [(["no"], SchemaError), ("id", OptionError)])
def test_columns_that_cannot_be_are_refused(
    tmp_path: Path, columns: list[str], error: type[Exception]
) -> None:
    write_numbered(tmp_path, [10])
    with pytest.raises(error, match=r"id|no"):
        deltastream.read_arrow(tmp_path, columns=columns)


def test_only_rows_that_pass_the_filter_are_read(tmp_path: Path) -> None:
    write_numbered(tmp_path, [100, 10])
    found = deltastream.read_arrow(
        tmp_path, columns=["text"], filter="id >= 95 and not id in (97, 105)"
    )
    expected = [str(n) for n in base_ids(tmp_path) if n >= 95 and n not in (97, 105)]
    assert found.column("text").to_pylist() == expected
    assert deltastream.read_arrow(tmp_path, filter=[("id", "<", 0)]).num_rows == 0


def test_a_field_of_a_struct_is_read_alone(tmp_path: Path) -> None:
    rows = pa.table({"s": [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}], "n": [1, 2, 3]})
    write_files(tmp_path, [rows])
    found = deltastream.read_arrow(tmp_path, columns=["s.a"])
    assert found.to_pylist() == [{"s": {"a": 1}}, {"s": None}, {"s": {"a": None}}]


def test_a_version_is_read_as_it_was(tmp_path: Path) -> None:
    write_numbered(tmp_path, [10, 20])
    assert deltastream.read_arrow(tmp_path, version=0).num_rows == 10
    assert deltastream.read_arrow(tmp_path, timestamp="2999-01-01").num_rows == 30
    with pytest.raises(VersionNotFoundError):
        deltastream.read_arrow(tmp_path, version=2)


@pytest.mark.parametrize("partition_by", [[], ["x"]])
def test_a_table_without_rows_has_its_schema(tmp_path: Path, partition_by: list[str]) -> None:
    write_files(tmp_path, [numbered(0, 0)], partition_by=partition_by)
    found = deltastream.read_arrow(tmp_path)
    assert found.num_rows == 0
    assert found.schema.equals(numbered(0, 0).schema)


def test_partition_columns_stand_where_the_schema_has_them(tmp_path: Path) -> None:
    write_files(tmp_path, [numbered(0, 20)], partition_by=["text"])
    found = deltastream.read_arrow(tmp_path)
    assert found.column_names == ["id", "x", "text"]
    assert found.sort_by("id").equals(numbered(0, 20))


def test_where_columns_are_in_the_files_is_not_told(corpus: Path) -> None:
    root = corpus / "tables" / "golden.table-with-columnmapping-mode-name"
    found = deltastream.read_arrow(root).schema
    assert private_keys(read(root).schema), "the table says nothing that could be told"
    assert not private_keys(found)


def private_keys(schema: pa.Schema) -> list[str]:
    def walk(field: pa.Field) -> list[str]:
        own = [field.name for key in field.metadata or {} if key in (PHYSICAL_NAME, FIELD_ID)]
        children = [field.type.field(i) for i in range(field.type.num_fields)]
        return own + [name for child in children for name in walk(child)]

    return [name for field in schema for name in walk(field)]


def test_reading_arrow_from_disk_imports_no_torch_and_no_clients_of_stores(tmp_path: Path) -> None:
    write_numbered(tmp_path, [10])
    code = (
        f"import sys, deltastream; deltastream.read_arrow({str(tmp_path)!r}); "
        "print({'torch', 'fsspec', 'pyarrow.dataset'} & sys.modules.keys())"
    )
    assert run_fresh(code) == "set()"
