"""Variants come as they are stored: a struct like any other, whatever nulls it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream import DeltaDataset, FieldSpec, read_arrow
from tests.support.logs import LogFolder, add, metadata, protocol

STORED = pa.struct([("metadata", pa.binary()), ("value", pa.binary())])
VALUES = [{"metadata": b"m1", "value": b"v1"}, None, {"metadata": b"m2", "value": b"v2"}]


def write(folder: Path, **columns: tuple[Any, pa.Array]) -> Path:
    log = LogFolder(folder)
    in_file = {name: values for name, (_, values) in columns.items() if values is not None}
    pq.write_table(pa.table(in_file), folder / "f.parquet")
    declared = {name: type_ for name, (type_, _) in columns.items()}
    log.commit(0, protocol(3, ["variantType"]), metadata(declared))
    log.commit(
        1, add("f.parquet", stats='{"numRecords":3}', size=(folder / "f.parquet").stat().st_size)
    )
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    array = {"type": "array", "elementType": "variant", "containsNull": True}
    return write(
        tmp_path,
        v=("variant", pa.array(VALUES, STORED)),
        added=("variant", None),
        many=(array, pa.array([VALUES, [], None], pa.list_(STORED))),
        none=(array, pa.array([[None], [], None], pa.list_(pa.null()))),
    )


def test_nulls_in_and_around_them_are_kept(table: Path) -> None:
    found = read_arrow(table)
    assert found["v"].to_pylist() == VALUES
    assert found["added"].to_pylist() == [None] * 3
    assert found["many"].to_pylist() == [VALUES, [], None]
    assert found["none"].to_pylist() == [[None], [], None]
    assert read_arrow(table, columns=["v.value"])["v"].to_pylist() == [
        value and {"value": value["value"]} for value in VALUES
    ]


def test_their_schema_says_nothing_of_how_they_are_told_from_structs(table: Path) -> None:
    schema = read_arrow(table).schema
    for type_ in (schema.field("v").type, schema.field("many").type.value_type):
        assert not any(field.metadata for field in type_)


def test_their_values_are_no_arrays_whatever_their_lengths(table: Path) -> None:
    (batch,) = DeltaDataset(table, [FieldSpec("v", null_mask=True)], batch_size=3)
    assert [bytes(value or b"") for value in batch["v"]["value"]] == [b"v1", b"", b"v2"]
    assert batch["v_mask"].tolist() == [True, False, True]
