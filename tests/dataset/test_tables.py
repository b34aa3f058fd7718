"""Tables that change their schema, and tables with hardly a row or none."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from deltastream import (
    DeltaDataset,
    FieldSpec,
    NullValueError,
    OptionError,
    create_pytorch_dataloader,
)
from tests.support.loaders import rows_by_id
from tests.support.tables import write_files

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.date(1970, 1, 1)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_column_that_was_added_later_is_null_in_older_files(
    tmp_path: Path, shuffle: bool
) -> None:
    root = write_files(tmp_path / "table", [pa.table({"id": range(50)})])
    later = pa.table(
        {
            "id": range(50, 100),
            "extra": pa.array(range(50), pa.float32()),
            "name": [str(i) for i in range(50)],
            "vector": [[float(i), 1.0] for i in range(50)],
        }
    )
    write_files(root, [later], schema_mode="merge")
    with pytest.raises(NullValueError, match="'extra'"):
        list(DeltaDataset(root, shuffle=shuffle))
    fields = [
        FieldSpec("extra", null_mask=True),
        FieldSpec("name", null_mask=True),
        FieldSpec("vector", fill_null=0),
    ]
    found = rows_by_id(root, fields, shuffle=shuffle)
    assert len(found) == 100
    for row, values in found.items():
        late = row >= 50
        assert bool(values["extra_mask"]) == bool(values["name_mask"]) == late
        assert float(values["extra"]) == (row - 50 if late else 0)
        assert values["name"] == (str(row - 50) if late else None)
        assert values["vector"].tolist() == ([row - 50, 1] if late else [0, 0])


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_empty_table_has_no_batches(tmp_path: Path, num_workers: int) -> None:
    schema = pa.schema([("id", pa.int64()), ("key", pa.binary()), ("text", pa.string())])
    root = tmp_path / "table"
    deltalake.DeltaTable.create(root, deltalake.Schema.from_arrow(schema))
    for shuffle in (False, True):
        loader = create_pytorch_dataloader(root, shuffle=shuffle, num_workers=num_workers)
        assert len(loader) == 0
        assert list(loader) == []


def test_a_table_whose_rows_were_all_deleted_has_no_batches(tmp_path: Path) -> None:
    root = write_files(tmp_path / "table", [pa.table({"id": range(50)})])
    deltalake.DeltaTable(root).delete()
    assert list(DeltaDataset(root)) == []
    assert len(list(DeltaDataset(root, version=0, batch_size=10))) == 5


def test_an_empty_file_is_passed_over(tmp_path: Path) -> None:
    part = pa.table({"id": range(50)})
    root = write_files(tmp_path / "table", [part, part.slice(0, 0), part])
    for shuffle in (False, True):
        assert sum(len(b["id"]) for b in DeltaDataset(root, shuffle=shuffle)) == 100


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    ("options", "sizes"),
    [({}, [5]), ({"drop_last": True}, []), ({"pad": True}, [32]), ({"batch_size": 1}, [1] * 5)],
)
def test_a_table_smaller_than_a_batch(
    tmp_path: Path, options: dict[str, Any], sizes: list[int], num_workers: int
) -> None:
    root = write_files(tmp_path / "table", [pa.table({"id": range(5)})])
    for shuffle in (False, True):
        loader = create_pytorch_dataloader(
            root, shuffle=shuffle, num_workers=num_workers, **options
        )
        batches = [batch["id"].tolist() for batch in loader]
        assert [len(batch) for batch in batches] == sizes
        assert len(loader) == len(sizes)
        if sizes:
            assert {row for batch in batches for row in batch} == set(range(5))


def test_a_column_whose_name_has_a_dot_is_not_taken_for_a_field_of_a_struct(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": range(5),
            "a": [{"b": -n, "c": "x"} for n in range(5)],
            "a.b": [n * 10 for n in range(5)],
            "z": [n * 7 for n in range(5)],
        }
    )
    root = write_files(tmp_path / "table", [table])
    for fields in (["a.b"], ["z"], ["a.b", "z", "a"]):
        found = rows_by_id(root, [FieldSpec(name) for name in fields], shuffle=False)
        for row, values in found.items():
            assert "a.b" not in fields or int(values["a.b"]) == row * 10
            assert "z" not in fields or int(values["z"]) == row * 7
            assert "a" not in fields or values["a"] == {"b": -row, "c": "x"}


@pytest.mark.parametrize("num_rows", [4, 5])
def test_a_list_column_that_was_added_later_is_none_in_older_files(
    tmp_path: Path, num_rows: int
) -> None:
    root = tmp_path / "table"
    deltalake.write_deltalake(root, pa.table({"id": range(num_rows)}))
    later = pa.table({"id": [num_rows], "v": pa.array([[1, 2, 3]], pa.list_(pa.int64()))})
    deltalake.write_deltalake(root, later, mode="append", schema_mode="merge")
    fields = [FieldSpec("v", null_mask=True, ragged=True)]
    found = rows_by_id(root, fields, shuffle=False)
    assert [found[row]["v"] for row in range(num_rows)] == [None] * num_rows
    assert found[num_rows]["v"].tolist() == [1, 2, 3]


def test_an_epoch_that_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    root = write_files(tmp_path / "table", [pa.table({"id": range(5)})])
    dataset = DeltaDataset(root)
    for epoch in (-1, 1 << 24):
        with pytest.raises(OptionError, match="epoch must be"):
            dataset.set_epoch(epoch)
