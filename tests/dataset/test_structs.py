"""Structs, end to end: dicts of fields, fields by their path, nulls at every level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from deltastream import DeltaDataset, FieldSpec, NullValueError, create_pytorch_dataloader
from tests.support.loaders import rows_by_id
from tests.support.tables import write_files

TYPE = pa.struct(
    [
        ("n", pa.int32()),
        ("in", pa.struct([("x", pa.list_(pa.float32())), ("text", pa.string())])),
        ("pairs", pa.map_(pa.string(), pa.int8())),
    ]
)


def value(row: int) -> dict[str, Any] | None:
    if row % 5 == 0:
        return None
    inside = None if row % 3 == 0 else {"x": [0.5] * (row % 4), "text": str(row)}
    return {"n": None if row % 7 == 0 else row, "in": inside, "pairs": [("k", row % 100)]}


def get(row: int, *path: str) -> Any:
    found: Any = value(row)
    for name in path:
        found = None if found is None else found[name]
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [
        pa.table(
            {"id": rows, "s": pa.array([value(i) for i in rows], TYPE), "s.n": [-i for i in rows]}
        )
        for rows in (range(90), range(90, 121))
    ]
    return write_files(tmp_path_factory.mktemp("structs") / "table", parts)


@pytest.mark.parametrize(("shuffle", "num_workers"), [(False, 0), (True, 0), (True, 1)])
def test_nulls_at_every_level_have_their_mask(root: Path, shuffle: bool, num_workers: int) -> None:
    fields = [FieldSpec("s", null_mask=True, fill_null=-1)]
    found = rows_by_id(root, fields, shuffle=shuffle, num_workers=num_workers)
    assert len(found) == 121
    for row, values in found.items():
        struct = values["s"]
        assert bool(values["s_mask"]) == (get(row) is not None)
        assert bool(struct["n_mask"]) == (get(row, "n") is not None)
        assert int(struct["n"]) == (-1 if get(row, "n") is None else row)
        assert bool(struct["in_mask"]) == (get(row, "in") is not None)
        assert struct["in"]["text"] == get(row, "in", "text")
        x = struct["in"]["x"]
        assert (None if x is None else x.tolist()) == get(row, "in", "x")
        assert bool(struct["in"]["x_mask"]) == (x is not None)
        assert struct["pairs"] == get(row, "pairs")


@pytest.mark.parametrize("name", ["s.in.text", "s.pairs", "s.in"])
def test_a_null_is_an_error_that_names_the_dotted_column(root: Path, name: str) -> None:
    with pytest.raises(NullValueError, match=rf"column '{name}.*' has \d+ nulls.*'{name}"):
        list(DeltaDataset(root, [FieldSpec(name)]))


def test_a_column_of_that_very_name_comes_before_a_field_of_a_struct(root: Path) -> None:
    batch = next(iter(create_pytorch_dataloader(root, fields=[FieldSpec("s.n")], batch_size=3)))
    assert batch["s.n"].tolist() == [0, -1, -2]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_transform_gets_python_values(root: Path, shuffle: bool) -> None:
    fields = [
        FieldSpec("s", transform=lambda s: -1 if s is None else len(s), target_name="whole"),
        FieldSpec("s.in.text", transform=lambda text: -1 if text is None else int(text)),
        FieldSpec(("s.in.text", "id"), transform=repr, target_name="two"),
    ]
    for row, values in rows_by_id(root, fields, shuffle=shuffle).items():
        text = get(row, "in", "text")
        assert values["whole"] == (-1 if value(row) is None else 3)
        assert values["s.in.text"] == (-1 if text is None else row)
        assert values["two"] == repr((text, row))


def test_row_dicts_hold_dicts_and_lists_of_pairs(root: Path) -> None:
    fields = [FieldSpec("s"), FieldSpec("s.in.x"), FieldSpec("s.pairs")]
    loader = create_pytorch_dataloader(root, fields=fields, batch_size=121, collate_fn=list)
    (rows,) = list(loader)
    assert rows == [
        {"s": value(i), "s.in.x": get(i, "in", "x"), "s.pairs": get(i, "pairs")} for i in range(121)
    ]


def test_columns_that_are_null_everywhere_are_none_without_a_rule(tmp_path: Path) -> None:
    import json

    table = pa.table({"id": range(3), "v": pa.array([1, 2, 3])})
    root = write_files(tmp_path / "table", [table])
    # deltalake writes no void column: the schema is made to have one that no file has.
    log = root / "_delta_log" / f"{0:020}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            schema = json.loads(line["metaData"]["schemaString"])
            void = {"name": "none", "type": "void", "nullable": True, "metadata": {}}
            line["metaData"]["schemaString"] = json.dumps(
                {**schema, "fields": [*schema["fields"], void]}
            )
    log.write_text("\n".join(map(json.dumps, lines)))
    (batch,) = list(DeltaDataset(root, batch_size=3))
    assert batch["none"] == [None] * 3
    fields = [FieldSpec("none", null_mask=True, fill_null=2, dtype=torch.float16)]
    (batch,) = list(DeltaDataset(root, fields, batch_size=3))
    assert batch["none"].tolist() == [2, 2, 2]
    assert batch["none"].dtype == torch.float16
    assert batch["none_mask"].tolist() == [False] * 3
