"""Every kind of column, end to end: what it becomes in a batch, in file order and shuffled, each value at its row."""

from __future__ import annotations

import datetime
import decimal
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from deltastream import (
    DeltaDataset,
    FieldSpec,
    SchemaError,
)
from tests.support.loaders import rows_by_id
from tests.support.logs import LogFolder, add, metadata, protocol
from tests.support.tables import write_files
from tests.support.vectors import inline_vector

SIZES = (70, 1, 130, 99)
NUM_ROWS = sum(SIZES)

Row = Callable[[int], Any]


UTC = datetime.UTC
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
DAY = datetime.date(1970, 1, 1)


def decimal_of(row: int) -> decimal.Decimal:
    return decimal.Decimal(row - 150).scaleb(-2)


# Column name to its type and the value of a row.
COLUMNS: dict[str, tuple[pa.DataType, Row]] = {
    "id": (pa.int64(), lambda i: i),
    "i8": (pa.int8(), lambda i: i % 256 - 128),
    "i16": (pa.int16(), lambda i: -i),
    "i32": (pa.int32(), lambda i: i * 7_000_000),
    "i64": (pa.int64(), lambda i: i << 40),
    "f32": (pa.float32(), lambda i: i / 4),
    "f64": (pa.float64(), lambda i: i / 3),
    "flag": (pa.bool_(), lambda i: i % 3 == 0),
    "day": (pa.date32(), lambda i: DAY + datetime.timedelta(days=i - 100)),
    "at": (pa.timestamp("us", "UTC"), lambda i: EPOCH + datetime.timedelta(microseconds=i * 7 - 9)),
    "price": (pa.decimal128(10, 2), decimal_of),
    "big": (pa.decimal128(30, 2), decimal_of),
    "text": (pa.string(), lambda i: f"row {i} ü"),
    "kind": (pa.string(), lambda i: ["cat", "dog"][i % 2]),
    "blob": (pa.binary(), lambda i: bytes([i % 256] * (i % 5))),
    "key": (pa.binary(), lambda i: i.to_bytes(4, "big")),
    "vector": (pa.list_(pa.float32()), lambda i: [i, i + 0.5, -i]),
    "flags": (pa.list_(pa.bool_()), lambda i: [i % 2 == 0, i % 3 == 0]),
    "ragged": (pa.list_(pa.int64()), lambda i: list(range(i % 4))),
    "words": (pa.list_(pa.string()), lambda i: [f"w{j}" for j in range(i % 3)]),
    "pairs": (
        pa.list_(pa.struct({"a": pa.int32()})),
        lambda i: [{"a": i if j else None} for j in range(i % 3)],
    ),
    "counts": (pa.map_(pa.string(), pa.int64()), lambda i: [(f"k{j}", i) for j in range(i % 3)]),
    "matrix": (pa.list_(pa.list_(pa.int16())), lambda i: [[i, 1, 2], [3, 4, -i]]),
    "point": (pa.struct({"a": pa.int32(), "b": pa.string()}), lambda i: {"a": i, "b": str(i)}),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    starts = np.cumsum([0, *SIZES]).tolist()
    parts = []
    for start, stop in itertools.pairwise(starts):
        rows = range(start, stop)
        parts.append(
            pa.table({n: pa.array([f(i) for i in rows], t) for n, (t, f) in COLUMNS.items()})
        )
    return write_files(tmp_path_factory.mktemp("columns") / "table", parts)


TENSORS: list[tuple[FieldSpec, torch.dtype, Row]] = [
    (FieldSpec("i8"), torch.int8, COLUMNS["i8"][1]),
    (FieldSpec("i16"), torch.int16, COLUMNS["i16"][1]),
    (FieldSpec("i32"), torch.int32, COLUMNS["i32"][1]),
    (FieldSpec("i64"), torch.int64, COLUMNS["i64"][1]),
    (FieldSpec("f32"), torch.float32, COLUMNS["f32"][1]),
    (FieldSpec("f64"), torch.float64, COLUMNS["f64"][1]),
    (FieldSpec("flag"), torch.bool, COLUMNS["flag"][1]),
    (FieldSpec("day"), torch.int32, lambda i: i - 100),
    (FieldSpec("at"), torch.int64, lambda i: i * 7 - 9),
    (FieldSpec("price"), torch.int64, lambda i: i - 150),
    (FieldSpec(("f32", "f64"), target_name="fs"), torch.float64, lambda i: [i / 4, i / 3]),
    (FieldSpec(("i8", "i16"), target_name="is"), torch.int16, lambda i: [i % 256 - 128, -i]),
    (FieldSpec(("flag", "f32"), target_name="m"), torch.float32, lambda i: [i % 3 == 0, i / 4]),
    (FieldSpec("vector"), torch.float32, COLUMNS["vector"][1]),
    (FieldSpec("flags"), torch.bool, COLUMNS["flags"][1]),
    (FieldSpec("key"), torch.uint8, lambda i: list(i.to_bytes(4, "big"))),
    (FieldSpec("key", (2, 2)), torch.uint8, lambda i: np.reshape(list(i.to_bytes(4)), (2, 2))),
    (FieldSpec("matrix"), torch.int16, COLUMNS["matrix"][1]),
    (FieldSpec("point.a"), torch.int32, COLUMNS["id"][1]),
    (FieldSpec(("point.a", "i8"), target_name="pi"), torch.int32, lambda i: [i, i % 256 - 128]),
    (FieldSpec("i64", transform=float), torch.float64, lambda i: float(i << 40)),
    (FieldSpec("vector", transform=sum), torch.float64, lambda i: i + 0.5),
    (FieldSpec("kind", transform=len), torch.int64, lambda i: 3),
    (FieldSpec("blob", transform=len), torch.int64, lambda i: i % 5),
    (
        FieldSpec("at", transform=datetime.datetime.timestamp),
        torch.float64,
        lambda i: (i * 7 - 9) / 1e6,
    ),
]

LISTS: list[tuple[FieldSpec, Row]] = [
    (FieldSpec("text"), COLUMNS["text"][1]),
    (FieldSpec("kind"), COLUMNS["kind"][1]),
    (FieldSpec("big"), COLUMNS["big"][1]),
    (FieldSpec("blob"), COLUMNS["blob"][1]),
    (FieldSpec("key", ragged=True), COLUMNS["key"][1]),
    (FieldSpec("words"), COLUMNS["words"][1]),
    (FieldSpec("pairs"), COLUMNS["pairs"][1]),
    (FieldSpec("counts"), COLUMNS["counts"][1]),
    (FieldSpec("point.b"), lambda i: str(i)),
    (FieldSpec("kind", transform=str.upper), lambda i: ["CAT", "DOG"][i % 2]),
]


@pytest.mark.parametrize(("shuffle", "num_workers"), [(False, 0), (True, 0), (True, 2)])
def test_every_row_has_its_values(table: Path, shuffle: bool, num_workers: int) -> None:
    specs = [spec for spec, *_ in TENSORS] + [spec for spec, _ in LISTS]
    fields = [
        FieldSpec(
            s.name, s.decode_numpy_and_apply_shape, False, s.transform, f"f{n}", ragged=s.ragged
        )
        for n, s in enumerate(specs)
    ]
    found = rows_by_id(table, fields, shuffle=shuffle, num_workers=num_workers)
    assert sorted(found) == list(range(NUM_ROWS))
    for row, values in found.items():
        for n, (spec, dtype, expected) in enumerate(TENSORS):
            value = values[f"f{n}"]
            assert value.dtype == dtype, spec
            truth = torch.as_tensor(np.asarray(expected(row)))
            assert torch.equal(value, truth.to(dtype)), (row, spec)
        for n, (spec, expected) in enumerate(LISTS, len(TENSORS)):
            value, truth = values[f"f{n}"], expected(row)
            # Binary values are views of the decoded memory.
            value = bytes(value.tolist()) if type(truth) is bytes else value
            assert value == truth, (row, spec)
            assert type(value) is type(truth)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", ["ragged", "vector"])
def test_lists_of_several_lengths_are_lists_of_tensors(
    table: Path, name: str, shuffle: bool, num_workers: int
) -> None:
    _, expected = COLUMNS[name]
    dtype = {"ragged": torch.int64, "vector": torch.float32}[name]
    found = rows_by_id(
        table, [FieldSpec(name, ragged=True)], shuffle=shuffle, num_workers=num_workers
    )
    assert sorted(found) == list(range(NUM_ROWS))
    for row, values in found.items():
        assert torch.equal(values[name], torch.tensor(expected(row), dtype=dtype))


def test_a_length_that_changes_later_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    parts = [
        pa.table({"id": [0], "v": [[1.0, 2.0]]}),
        pa.table({"id": [1], "v": [[1.0, 2.0, 3.0]]}),
    ]
    root = write_files(tmp_path / "table", [parts[0]] * 20 + [parts[1]])
    with pytest.raises(SchemaError, match=r"3 values.*takes 2, by.*ragged=True"):
        list(DeltaDataset(root))
    assert len(list(DeltaDataset(root, [FieldSpec("v", ragged=True)], batch_size=1))) == 21


@pytest.mark.parametrize("name", ["text", "vector", "big", "point"])
def test_columns_that_are_no_numbers_are_not_stacked(table: Path, name: str) -> None:
    with pytest.raises(SchemaError, match=f"stacks numeric columns, but {name!r}"):
        DeltaDataset(table, [FieldSpec(("i8", name), target_name="both")])


@pytest.mark.parametrize(("shuffle", "num_workers"), [(False, 0), (True, 0), (True, 1)])
def test_a_struct_is_a_dict_of_fields(table: Path, shuffle: bool, num_workers: int) -> None:
    found = rows_by_id(
        table, [FieldSpec("point", target_name="p")], shuffle=shuffle, num_workers=num_workers
    )
    assert len(found) == NUM_ROWS
    for row, values in found.items():
        assert values["p"] == {"a": row, "b": str(row)}
        assert values["p"]["a"].dtype == torch.int32


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", ["key", "blob", "kind"])
def test_two_fields_may_come_from_one_column(table: Path, name: str, shuffle: bool) -> None:
    same = FieldSpec(name, target_name="same")
    found = rows_by_id(
        table, [same, FieldSpec(name, transform=len, target_name="n")], shuffle=shuffle
    )
    for row, values in found.items():
        expected = COLUMNS[name][1](row)
        value = values["same"]
        assert (value if name == "kind" else bytes(value.tolist())) == expected
        assert values["n"] == len(expected)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_binary_column_that_repeats_may_be_read_as_bytes_and_as_a_tensor(
    tmp_path: Path, shuffle: bool
) -> None:
    # Few values, so that the file holds a dictionary.
    column = pa.array([bytes([i % 3] * 4) for i in range(200)])
    root = write_files(tmp_path / "table", [pa.table({"id": range(200), "key": column})])
    fields = [FieldSpec("key"), FieldSpec("key", transform=bytes.hex, target_name="hex")]
    for row, values in rows_by_id(root, fields, shuffle=shuffle).items():
        assert values["key"].tolist() == [row % 3] * 4
        assert values["hex"] == bytes([row % 3] * 4).hex()


def shape_in_transform(array: np.ndarray) -> list[int]:
    return list(array.shape)


def test_a_size_of_minus_one_follows_from_the_values(tmp_path: Path) -> None:
    rows = pa.table({"raw": [bytes(range(24))] * 5, "any": [bytes(2 * n) for n in range(5)]})
    root = write_files(tmp_path / "table", [rows])
    (batch,) = DeltaDataset(root, [FieldSpec("raw", (2, -1, 3))])
    assert torch.equal(
        batch["raw"], torch.arange(24).to(torch.uint8).reshape(1, 2, 4, 3).expand(5, -1, -1, -1)
    )
    (batch,) = DeltaDataset(root, [FieldSpec("any", (-1, 2), transform=shape_in_transform)])
    assert torch.stack(batch["any"], 1).tolist() == [[n, 2] for n in range(5)]
    for name, shape, message in (
        ("raw", (5, -1), r"has values of 24 bytes, from which the -1 in the shape \(5, -1\) does"),
        ("any", (-1, 2), "has values of several lengths, or none at all, from which the -1"),
    ):
        with pytest.raises(SchemaError, match=message):
            DeltaDataset(root, [FieldSpec(name, shape)])
    with pytest.raises(SchemaError, match=r"2 bytes, which is no array of shape \(-1, 4\)"):
        list(DeltaDataset(root, [FieldSpec("any", (-1, 4), transform=shape_in_transform)]))


@pytest.mark.parametrize("name", ["plain", "a`b", "a.b", "A b"])
def test_a_deleted_row_decides_no_form_whatever_the_name(tmp_path: Path, name: str) -> None:
    values = pa.array([[9] * 4, *([i, i] for i in range(4))], pa.list_(pa.int64()))
    log = LogFolder(tmp_path)
    pq.write_table(pa.table({name: values}), tmp_path / "a.parquet")
    log.commit(
        0,
        protocol(3, ["deletionVectors"]),
        metadata({name: {"type": "array", "elementType": "long", "containsNull": True}}),
        add(
            "a.parquet",
            size=(tmp_path / "a.parquet").stat().st_size,
            stats=json.dumps({"numRecords": 5}),
            deletionVector=inline_vector([0]),
        ),
    )
    field = FieldSpec("`" + name.replace("`", "``") + "`", target_name="x")
    (batch,) = DeltaDataset(tmp_path, [field])
    assert batch["x"].tolist() == [[i, i] for i in range(4)]
