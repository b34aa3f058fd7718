from __future__ import annotations

from itertools import pairwise
from operator import ge, le
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch import BatchCutter, Chunk, Layout, resolve_layout
from deltastream.batch.ragged import RaggedRows
from deltastream.engine.budget import ByteBudget, Charge
from deltastream.errors import TransformError
from deltastream.fields import FieldSpec
from tests.support.columns import layout_of, window_memory
from tests.support.loops import call_soon

SCHEMA = pa.schema([("n", pa.int64()), ("pair", pa.list_(pa.int32())), ("text", pa.string())])
LAYOUT = layout_of(
    SCHEMA,
    FieldSpec("n"),
    FieldSpec("pair"),
    FieldSpec("text"),
    FieldSpec("n", transform=lambda n: n, target_name="row"),
    samples={"pair": [[0, 0]]},
)
SIZES = st.lists(st.integers(1, 25), min_size=1, max_size=8)


def chunk_of(start: int, stop: int, charge: Charge | None = None) -> Chunk:
    rows = np.arange(start, stop)
    texts = np.array([f"row {i}" for i in rows], np.object_)
    arrays = {
        "n": rows,
        "pair": np.stack([rows, -rows], axis=1).astype(np.int32),
        "text": texts,
        "row": rows.astype(np.object_),
    }
    return Chunk(start, stop, arrays, charge or free())


def free() -> Charge:
    return ByteBudget(1, call_soon=call_soon).charge(0)


def cutter_of(layout: Layout, batch_size: int) -> BatchCutter:
    return BatchCutter(layout, batch_size, window_memory().take)


def check(batch: dict[str, Any], rows: list[int]) -> None:
    assert list(batch) == ["n", "pair", "text", "row"]
    assert batch["n"].tolist() == rows
    assert batch["pair"].tolist() == [[i, -i] for i in rows]
    assert batch["pair"].dtype == torch.int32
    assert batch["text"] == [f"row {i}" for i in rows]
    assert isinstance(batch["row"], torch.Tensor)
    assert batch["row"].tolist() == rows


class Lane:
    """Chunks that come when the cutter has not enough, as in the iterator."""

    def __init__(self, cutter: BatchCutter, key: str, sizes: list[int], *, first: int = 0) -> None:
        self._cutter = cutter
        self._key = key
        stops = np.cumsum([first, *sizes]).tolist()
        self._chunks = iter([chunk_of(a, b) for a, b in pairwise(stops)])

    def cut(self, start: int, stop: int, *, fill: bool = False) -> dict[str, Any]:
        while not self._cutter.has(self._key, stop):
            self._cutter.add(self._key, next(self._chunks))
        batch: dict[str, Any] = self._cutter.cut(self._key, start, stop, fill=fill)
        return batch


@given(SIZES, st.integers(1, 30), st.booleans())
def test_batches_are_exact_whatever_the_chunks_and_only_the_last_is_short(
    sizes: list[int], batch_size: int, fill: bool
) -> None:
    lane = Lane(cutter_of(LAYOUT, batch_size), "lane", sizes)
    num_rows = sum(sizes)
    for start in range(0, num_rows, batch_size):
        stop = min(start + batch_size, num_rows)
        rows = list(range(start, stop))
        if fill:
            # Filled by its own rows, over and over.
            rows = (rows * batch_size)[:batch_size]
        check(lane.cut(start, stop, fill=fill), rows)


@given(SIZES, st.integers(1, 12), st.integers(0, 10), st.data())
def test_a_consumer_that_is_not_alone_cuts_its_own_batches_and_skips_the_others(
    sizes: list[int], batch_size: int, first: int, data: st.DataObject
) -> None:
    # The first chunk that this consumer reads may begin before or far into the lane.
    lane = Lane(cutter_of(LAYOUT, batch_size), "lane", sizes, first=first)
    stop = first + sum(sizes)
    starts = range(-(-first // batch_size) * batch_size, stop, batch_size)
    for start in starts:
        if data.draw(st.booleans()):
            rows = range(start, min(start + batch_size, stop))
            check(lane.cut(rows.start, rows.stop), list(rows))


@given(SIZES, SIZES, st.integers(1, 12))
def test_lanes_are_cut_in_turn_without_touching_each_other(
    one: list[int], other: list[int], batch_size: int
) -> None:
    cutter = cutter_of(LAYOUT, batch_size)
    lanes = [Lane(cutter, "one", one), Lane(cutter, "other", other)]
    for start in range(0, min(sum(one), sum(other)) - batch_size + 1, batch_size):
        for lane in lanes:
            rows = list(range(start, start + batch_size))
            check(lane.cut(start, start + batch_size), rows)


@given(SIZES, st.integers(1, 12))
def test_chunks_that_are_used_up_give_their_charge_back(sizes: list[int], batch_size: int) -> None:
    budget = ByteBudget(10**6, call_soon=call_soon)
    cutter = cutter_of(LAYOUT, batch_size)
    stops = np.cumsum([0, *sizes]).tolist()
    charges = [budget.charge(7) for _ in sizes]
    for (a, b), charge in zip(pairwise(stops), charges, strict=True):
        cutter.add("lane", chunk_of(a, b, charge))
    for start in range(0, stops[-1] - batch_size + 1, batch_size):
        cutter.cut("lane", start, start + batch_size)
        begun = [a < start + batch_size for a in stops[:-1]]
        given_back = [charge.nbytes == 0 for charge in charges]
        # Not before its first row is cut, and not after its last.
        assert all(map(le, given_back, begun))
        assert all(map(ge, given_back, [b <= start + batch_size for b in stops[1:]]))


def test_a_batch_that_lies_across_chunks_is_a_copy_in_memory_that_was_asked_for() -> None:
    taken: list[int] = []
    memory = window_memory()

    def take(nbytes: int) -> Any:
        taken.append(nbytes)
        return memory.take(nbytes)

    cutter = BatchCutter(LAYOUT, 10, take)
    chunks = [chunk_of(0, 15), chunk_of(15, 16), chunk_of(16, 40)]
    for chunk in chunks:
        cutter.add("lane", chunk)
    cutter.cut("lane", 0, 10)
    assert taken == []
    batch = cutter.cut("lane", 10, 20)
    assert len(taken) == 1
    batch["n"].zero_()
    assert [chunk.arrays["n"].tolist() for chunk in chunks] == [
        list(range(15)),
        [15],
        list(range(16, 40)),
    ]


def test_tensors_are_views_of_their_chunk_and_may_be_written() -> None:
    chunk = chunk_of(0, 100)
    cutter = cutter_of(LAYOUT, 10)
    cutter.add("lane", chunk)
    batches = [cutter.cut("lane", start, start + 10) for start in range(0, 100, 10)]
    for number, batch in enumerate(batches):
        assert batch["n"].data_ptr() == chunk.arrays["n"].ctypes.data + number * 80
        batch["n"] += 1
    assert chunk.arrays["n"].tolist() == list(range(1, 101))


def test_the_cutter_keeps_no_batch_that_was_handed_out() -> None:
    cutter = cutter_of(LAYOUT, 2)
    cutter.add("lane", chunk_of(0, 10))
    batch = cutter.cut("lane", 0, 2)
    text = batch["text"]
    del batch
    assert cutter.cut("lane", 2, 4)["text"] is not text
    assert text == ["row 0", "row 1"]


def test_what_is_here_is_known_and_forgotten() -> None:
    cutter = cutter_of(LAYOUT, 4)
    assert not cutter.has("lane", 1)
    cutter.add("lane", chunk_of(0, 6))
    assert cutter.has("lane", 6)
    assert not cutter.has("lane", 7)
    assert not cutter.has("other", 1)
    cutter.clear()
    assert not cutter.has("lane", 1)


def cut_values(layout: Layout, name: str, values: list[Any]) -> Any:
    cutter = cutter_of(layout, len(values))
    array = np.empty(len(values), np.object_)
    array[:] = values
    cutter.add("lane", Chunk(0, len(values), {name: array}, free()))
    return cutter.cut("lane", 0, len(values))


def transformed() -> Layout:
    return layout_of(SCHEMA, FieldSpec("text", transform=len))


def test_transformed_values_are_put_together_by_default_collate() -> None:
    found = cut_values(transformed(), "text", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])["text"]
    assert found["a"].tolist() == [1, 2]
    assert found["b"] == ["x", "y"]


@pytest.mark.parametrize("values", [[1, None], [[1], [2, 3]], [..., ...]])
def test_transformed_values_that_make_no_batch_are_an_error_that_names_the_field(
    values: list[Any],
) -> None:
    cutter = cutter_of(transformed(), 2)
    array = np.empty(2, np.object_)
    for i, value in enumerate(values):
        array[i] = value
    cutter.add("lane", Chunk(0, 2, {"text": array}, free()))
    with pytest.raises(TransformError, match="field 'text': the values of its rows do not make a"):
        cutter.cut("lane", 0, 2)


def test_lists_of_numbers_are_tensors_of_their_own_and_nulls_are_none() -> None:
    layout = layout_of(SCHEMA, FieldSpec("pair", ragged=True, null_mask=True))
    rows = RaggedRows(np.arange(5, dtype=np.int32), np.array([0, 2, 2, 2, 5]))
    mask = np.array([True, False, True, True])
    cutter = cutter_of(layout, 4)
    cutter.add("lane", Chunk(0, 4, {"pair": rows, "pair_mask": mask}, free()))
    found = cutter.cut("lane", 0, 4)["pair"]
    assert [None if row is None else row.tolist() for row in found] == [[0, 1], None, [], [2, 3, 4]]
    assert isinstance(found[0], torch.Tensor)


@given(SIZES, st.integers(1, 12))
def test_row_dicts_come_as_a_list_of_one_dict_per_row(sizes: list[int], batch_size: int) -> None:
    layout = resolve_layout(SCHEMA, None, row_dicts=True, first_rows=lambda names: {})
    cutter = cutter_of(layout, batch_size)
    num_rows = sum(sizes)
    stops = np.cumsum([0, *sizes]).tolist()
    for a, b in pairwise(stops):
        arrays = {
            "n": np.arange(a, b).astype(object),
            "text": np.arange(a, b).astype(str).astype(object),
        }
        cutter.add("lane", Chunk(a, b, arrays, free()))
    for start in range(0, num_rows, batch_size):
        stop = min(start + batch_size, num_rows)
        expected = [{"n": i, "text": str(i)} for i in range(start, stop)]
        assert cutter.cut("lane", start, stop) == expected
