"""The first live rows decide which lengths values have: all of them, however few were looked at before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltastream import DeltaDataset, FieldSpec, create_pytorch_dataloader
from deltastream.decode import decode_first_rows
from tests.support.tables import write_files

LOOKED_AT = 64


def batch_of(root: Path) -> dict[str, Any]:
    loader = create_pytorch_dataloader(root, fields=[FieldSpec("v")], batch_size=LOOKED_AT)
    return next(iter(loader))  # type: ignore[no-any-return]


def write(folder: Path, values: list[Any], type_: pa.DataType) -> Path:
    return write_files(folder, [pa.table({"v": pa.array(values, type_)})])


@pytest.mark.parametrize("odd", [1, 2, 3, 63])
def test_one_value_of_another_length_among_them_makes_a_list(tmp_path: Path, odd: int) -> None:
    values = [b"three" if i == odd else b"two" for i in range(LOOKED_AT)]
    found = batch_of(write(tmp_path / "t", values, pa.binary()))["v"]
    assert [bytes(value) for value in found] == values


@pytest.mark.parametrize("odd", [1, 2, 3, 63])
def test_lists_of_several_lengths_may_have_lists_of_one_in_them(tmp_path: Path, odd: int) -> None:
    inner = [[1, 2]] * LOOKED_AT
    values = [[pair] * (2 + i % 2) for i, pair in enumerate(inner)]
    found = batch_of(write(tmp_path / "same", values, pa.list_(pa.list_(pa.int64()))))["v"]
    assert [value.shape for value in found] == [torch.Size([2 + i % 2, 2]) for i in range(64)]
    values[odd] = [[1, 2, 3], [4]]
    found = batch_of(write(tmp_path / "odd", values, pa.list_(pa.list_(pa.int64()))))["v"]
    assert found == values


@pytest.mark.parametrize(
    ("condition", "looks"),
    [("id >= 0", [2]), ("id >= 1", [2]), ("id >= 2", [64]), ("id = 999", [64])],
)
def test_a_short_look_is_taken_only_where_the_first_rows_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, condition: str, looks: list[int]
) -> None:
    # Else it would go through the dead ones two by two.
    taken: list[int] = []

    def decode(source: Any, projection: Any, num_rows: int, *args: Any) -> Any:
        taken.append(num_rows)
        return decode_first_rows(source, projection, num_rows, *args)

    monkeypatch.setattr("deltastream.dataset.first_rows.decode_first_rows", decode)
    ids = range(1000)
    values = [b"a" * (i % 2 + 1) for i in ids]
    root = write_files(tmp_path / "t", [pa.table({"id": ids, "v": values})])
    DeltaDataset(root, [FieldSpec("v")], filter=condition)
    # Of one live row the lengths do not differ.
    assert taken == ([2, 64] if condition == "id >= 1" else looks)


@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.none() | st.lists(st.integers(0, 9), max_size=2)),
        min_size=1,
        max_size=8,
    )
)
def test_only_live_values_that_are_not_null_decide(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[bool, list[int] | None]]
) -> None:
    keep, values = zip(*rows, strict=True)
    table = pa.table({"keep": keep, "v": pa.array(values, pa.list_(pa.int32()))})
    root = write_files(tmp_path_factory.mktemp("first") / "t", [table])
    fields = [FieldSpec("v", null_mask=True)]
    batches = list(DeltaDataset(root, fields, batch_size=3, filter="keep"))
    live = [value for is_kept, value in rows if is_kept]
    lengths = {len(value) for value in live if value is not None}
    if len(lengths) == 1 and lengths != {0}:
        assert all(isinstance(batch["v"], torch.Tensor) for batch in batches)
        live = [[0] * max(lengths) if value is None else value for value in live]
    else:
        assert all(isinstance(batch["v"], list) for batch in batches)
    found = [value for batch in batches for value in batch["v"]]
    assert [value if value is None else value.tolist() for value in found] == live
