"""Partition columns: read from the log, in a batch like any other."""

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
    FieldSpec,
    NullValueError,
)
from tests.support.loaders import rows_by_id
from tests.support.tables import write_files

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.date(1970, 1, 1)

PARTITIONS: dict[str, tuple[pa.DataType, list[Any], list[Any]]] = {
    "int": (pa.int32(), [1, 2], [1, 2]),
    "float": (pa.float64(), [0.5, -1.5], [0.5, -1.5]),
    "bool": (pa.bool_(), [True, False], [True, False]),
    "date": (pa.date32(), [DAY, DAY + datetime.timedelta(days=3)], [0, 3]),
    "timestamp": (
        pa.timestamp("us", "UTC"),
        [EPOCH, EPOCH + datetime.timedelta(hours=1)],
        [0, 3_600_000_000],
    ),
    "decimal": (
        pa.decimal128(5, 2),
        [decimal.Decimal("1.25"), decimal.Decimal("-3.00")],
        [125, -300],
    ),
    "string": (pa.string(), ["a b", "ü/%"], ["a b", "ü/%"]),
}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", PARTITIONS)
def test_partition_columns_are_columns_like_others(
    tmp_path: Path, kind: str, shuffle: bool
) -> None:
    type_, values, expected = PARTITIONS[kind]
    table = pa.table(
        {"id": range(100), "part": pa.array([values[i % 2] for i in range(100)], type_)}
    )
    root = write_files(tmp_path / "table", [table, table.slice(0, 0)], partition_by=["part"])
    for row, found in rows_by_id(root, [FieldSpec("part")], shuffle=shuffle).items():
        value = found["part"]
        assert (value.item() if isinstance(value, torch.Tensor) else value) == expected[row % 2]


def test_partition_columns_may_be_all_that_is_read(tmp_path: Path) -> None:
    table = pa.table({"id": range(100), "part": [i % 4 for i in range(100)]})
    root = write_files(tmp_path / "table", [table], partition_by=["part"])
    for shuffle in (False, True):
        parts = [
            part
            for batch in DeltaDataset(root, [FieldSpec("part")], shuffle=shuffle)
            for part in batch["part"].tolist()
        ]
        assert sorted(parts) == sorted(i % 4 for i in range(100))


def test_a_null_partition_is_a_null(tmp_path: Path) -> None:
    table = pa.table({"id": range(9), "part": [[1, None, 3][i % 3] for i in range(9)]})
    root = write_files(tmp_path / "table", [table], partition_by=["part"])
    with pytest.raises(NullValueError, match="'part'"):
        list(DeltaDataset(root))
    found = rows_by_id(root, [FieldSpec("part", fill_null=-1)], shuffle=True)
    assert [int(found[i]["part"]) for i in range(9)] == [1, -1, 3] * 3
