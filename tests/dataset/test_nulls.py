"""Nulls: an error without a rule, a fill, a mask."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from deltastream import (
    DeltaDataset,
    DeltaStreamError,
    FieldSpec,
    NullValueError,
    OptionError,
)
from tests.support.loaders import rows_by_id
from tests.support.tables import write_files

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.date(1970, 1, 1)

NULLABLE: dict[str, tuple[pa.DataType, Any, Any, Any]] = {
    # type, a value, what it becomes, a fill
    "int": (pa.int64(), 5, 5, -1),
    "byte": (pa.int8(), 5, 5, -1),
    "float": (pa.float32(), 0.5, 0.5, -1.0),
    "bool": (pa.bool_(), True, True, False),
    "date": (pa.date32(), DAY + datetime.timedelta(days=3), 3, -1),
    "timestamp": (pa.timestamp("us", "UTC"), EPOCH, 0, -1),
    "decimal": (pa.decimal128(10, 2), decimal.Decimal("1.25"), 125, -1),
    "list": (pa.list_(pa.float32()), [1.0, 2.0], [1.0, 2.0], -1),
    "key": (pa.binary(), b"ab", [97, 98], 7),
}


def with_nulls(root: Path, kind: str) -> Path:
    type_, value, _, _ = NULLABLE[kind]
    values = [value if i % 3 else None for i in range(100)]
    return write_files(root, [pa.table({"id": range(100), "v": pa.array(values, type_)})])


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", NULLABLE)
def test_a_null_without_a_rule_is_an_error(tmp_path: Path, kind: str, shuffle: bool) -> None:
    root = with_nulls(tmp_path / "table", kind)
    with pytest.raises(NullValueError, match=r"'v' has \d+ nulls.*fill_null=VALUE"):
        rows_by_id(root, [FieldSpec("v")], shuffle=shuffle)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", NULLABLE)
def test_fill_null_takes_the_place_of_nulls(tmp_path: Path, kind: str, shuffle: bool) -> None:
    root = with_nulls(tmp_path / "table", kind)
    _, _, expected, fill = NULLABLE[kind]
    found = rows_by_id(root, [FieldSpec("v", fill_null=fill)], shuffle=shuffle)
    assert len(found) == 100
    for row, values in found.items():
        want = torch.as_tensor(expected if row % 3 else fill)
        assert torch.equal(values["v"].double(), want.expand(values["v"].shape).double())


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", NULLABLE)
def test_null_mask_marks_what_is_there_and_nulls_become_zero(
    tmp_path: Path, kind: str, shuffle: bool
) -> None:
    root = with_nulls(tmp_path / "table", kind)
    expected = NULLABLE[kind][2]
    found = rows_by_id(root, [FieldSpec("v", null_mask=True)], shuffle=shuffle)
    for row, values in found.items():
        assert values["v_mask"].dtype == torch.bool
        assert bool(values["v_mask"]) == bool(row % 3)
        want = torch.as_tensor(expected if row % 3 else 0)
        assert torch.equal(values["v"].double(), want.expand(values["v"].shape).double())


@pytest.mark.parametrize("shuffle", [False, True])
def test_nulls_in_lists_of_values_become_none_with_a_mask(tmp_path: Path, shuffle: bool) -> None:
    table = pa.table(
        {
            "id": range(60),
            "text": [None if i % 3 == 0 else str(i) for i in range(60)],
            "ragged": [None if i % 3 == 0 else [1] * (i % 3) for i in range(60)],
        }
    )
    root = write_files(tmp_path / "table", [table])
    fields = [FieldSpec("text", null_mask=True), FieldSpec("ragged", null_mask=True)]
    for row, values in rows_by_id(root, fields, shuffle=shuffle).items():
        assert bool(values["text_mask"]) == bool(values["ragged_mask"]) == bool(row % 3)
        assert values["text"] == (str(row) if row % 3 else None)
        assert (values["ragged"] is None) == (row % 3 == 0)
    for name in ("text", "ragged"):
        with pytest.raises(NullValueError, match=name):
            list(DeltaDataset(root, [FieldSpec(name)]))


@pytest.mark.parametrize("shuffle", [False, True])
def test_stacked_columns_have_a_mask_per_column(tmp_path: Path, shuffle: bool) -> None:
    table = pa.table(
        {
            "id": range(60),
            "a": [None if i % 3 == 0 else i for i in range(60)],
            "b": [None if i % 4 == 0 else i for i in range(60)],
        }
    )
    root = write_files(tmp_path / "table", [table])
    fields = [FieldSpec(("a", "b"), target_name="ab", null_mask=True)]
    for row, values in rows_by_id(root, fields, shuffle=shuffle).items():
        assert values["ab_mask"].tolist() == [row % 3 != 0, row % 4 != 0]
        assert values["ab"].tolist() == [row * (row % 3 != 0), row * (row % 4 != 0)]


def test_a_transform_gets_none_for_a_null(tmp_path: Path) -> None:
    root = with_nulls(tmp_path / "table", "int")
    fields = [FieldSpec("v", transform=lambda value: -7 if value is None else value)]
    for row, values in rows_by_id(root, fields, shuffle=True).items():
        assert int(values["v"]) == (5 if row % 3 else -7)


@pytest.mark.parametrize("options", [{"null_mask": True}, {"fill_null": 3}])
def test_null_rules_of_a_field_with_a_transform_hold_or_are_refused(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    root = with_nulls(tmp_path / "table", "int")
    fields = [FieldSpec("v", transform=lambda value: -7 if value is None else value, **options)]
    try:
        found = rows_by_id(root, fields, shuffle=False)
    except OptionError:
        return
    assert "v_mask" in found[0] or int(found[0]["v"]) == 3


def test_a_fill_that_is_no_value_of_the_column_is_an_error_of_ours(tmp_path: Path) -> None:
    root = with_nulls(tmp_path / "table", "int")
    with pytest.raises(DeltaStreamError, match=r"1\.5"):
        rows_by_id(root, [FieldSpec("v", fill_null=1.5)], shuffle=False)
