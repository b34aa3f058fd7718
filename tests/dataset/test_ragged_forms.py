"""Ragged columns in every form: each row's values at its row, in any order, across windows, workers and fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from deltastream import DeltaDataset, FieldSpec, create_pytorch_dataloader
from tests.support.loaders import rows_by_id, split_rows
from tests.support.tables import write_files

NUM_ROWS = 300
FORMS = ["list", "offsets", "padded", "nested"]


def numbers(row: int) -> list[float]:
    return [row + i / 8 for i in range(row * 7 % 5)]


def vectors(row: int) -> list[list[int]]:
    return [[row, i, -row] for i in range(row * 3 % 4)]


def text(row: int) -> str:
    return "é" * (row % 3) + str(row)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = range(NUM_ROWS)
    table = pa.table(
        {
            "id": rows,
            "numbers": pa.array(map(numbers, rows), pa.list_(pa.float32())),
            "vectors": pa.array(map(vectors, rows), pa.list_(pa.list_(pa.int16()))),
            "text": list(map(text, rows)),
            "some": pa.array([None if i % 3 == 0 else [i] * (i % 2) for i in rows]),
        }
    )
    parts = [table[:130], table[130:131], table[131:]]
    return write_files(tmp_path_factory.mktemp("ragged") / "table", parts)


def of_form(form: Any) -> list[FieldSpec]:
    fields = [
        FieldSpec("numbers", ragged=form),
        FieldSpec("numbers", ragged=form, dtype="bfloat16", target_name="small"),
        FieldSpec("vectors", ragged=form),
        FieldSpec("some", ragged=form, null_mask=True),
    ]
    return fields if form == "list" else [*fields, FieldSpec("text", ragged=form)]


def check(form: str, row: int, values: dict[str, Any]) -> None:
    assert values["numbers"].tolist() == numbers(row)
    assert values["numbers"].dtype == torch.float32
    assert torch.equal(values["small"], torch.tensor(numbers(row)).to(torch.bfloat16))
    assert values["vectors"].tolist() == vectors(row)
    assert values["vectors"].shape[1:] == (3,)
    assert bool(values["some_mask"]) == bool(row % 3)
    if form == "list":
        assert (values["some"] is None) == (row % 3 == 0)
    if values["some"] is not None:
        assert values["some"].tolist() == [row] * (row % 2 if row % 3 else 0)
    if form != "list":
        assert bytes(values["text"].tolist()).decode() == text(row)


@pytest.mark.parametrize(("shuffle", "num_workers"), [(False, 0), (True, 0), (True, 2)])
@pytest.mark.parametrize("form", FORMS)
def test_every_row_has_its_values(root: Path, form: str, shuffle: bool, num_workers: int) -> None:
    found = rows_by_id(root, of_form(form), shuffle=shuffle, num_workers=num_workers)
    assert sorted(found) == list(range(NUM_ROWS))
    for row, values in found.items():
        check(form, row, values)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shuffle", "drop_last"), [(False, False), (True, False), (True, True)])
def test_short_batches_are_filled_or_left_out(
    root: Path, form: str, shuffle: bool, drop_last: bool
) -> None:
    seen: list[int] = []
    for rank in range(2):
        dataset = DeltaDataset(
            root,
            [FieldSpec("id"), *of_form(form)],
            batch_size=64,
            shuffle=shuffle,
            drop_last=drop_last,
            shuffle_rows=100,
            version=2,
            rank=rank,
            num_ranks=2,
        )
        for batch in dataset:
            ids = batch["id"].tolist()
            assert len(ids) == 64
            for row, values in zip(ids, split_rows(batch, 64), strict=True):
                check(form, row, values)
            seen += ids
    assert len(set(seen)) == (256 if drop_last else NUM_ROWS)


def test_forms_are_what_they_say(root: Path) -> None:
    fields = [
        FieldSpec("numbers", ragged="offsets", target_name="o"),
        FieldSpec("numbers", ragged="padded", pad_value=-1, target_name="p"),
        FieldSpec("numbers", ragged="nested", target_name="n"),
    ]
    batch = next(iter(create_pytorch_dataloader(root, fields=fields, batch_size=3)))
    assert batch["o"]["offsets"].tolist() == [0, 0, 2, 6]
    assert batch["o"]["offsets"].dtype == batch["p"]["lengths"].dtype == torch.int64
    assert batch["o"]["values"].tolist() == [*numbers(1), *numbers(2)]
    assert batch["p"]["values"].tolist() == [[-1] * 4, [*numbers(1), -1, -1], numbers(2)]
    assert batch["p"]["lengths"].tolist() == [0, 2, 4]
    assert batch["n"].layout == torch.jagged
    assert [row.tolist() for row in batch["n"].unbind()] == [[], numbers(1), numbers(2)]


@pytest.mark.parametrize("form", FORMS)
def test_batches_may_be_written_and_share_nothing(root: Path, form: Any) -> None:
    fields = [FieldSpec("numbers", ragged=form), FieldSpec("numbers", ragged=form, target_name="b")]
    for batch in DeltaDataset(root, fields, batch_size=10):
        before = [row.tolist() for row in split_rows(batch["b"], 10)]
        for row in split_rows(batch["numbers"], 10):
            row.fill_(-5)
        assert [row.tolist() for row in split_rows(batch["b"], 10)] == before
