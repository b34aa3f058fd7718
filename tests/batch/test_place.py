from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch.place import Placement, Stack, placement

DTYPES = st.sampled_from(["?", "i1", "u1", "i2", "f2", "i4", "f4", "i8", "f8", "u4"])
SHAPES = st.sampled_from([(), (1,), (2,), (3,), (7,), (16,), (2, 3), (3, 1, 2), (33,)])


def random_array(shape: tuple[int, ...], dtype: str, seed: int) -> Any:
    return np.random.RandomState(seed).randint(0, 100, shape).astype(dtype)


@st.composite
def placements(draw: st.DrawFn, *, max_rows: int = 30) -> tuple[int, Placement, list[int]]:
    """Rows of a window, the places of some of them, and the same as a list."""
    num_rows = draw(st.integers(1, max_rows))
    start = draw(st.integers(0, num_rows - 1) | st.just(0))
    stop = draw(st.integers(start + 1, num_rows) | st.just(num_rows))
    if draw(st.booleans()):
        return num_rows, placement(None, slice(start, stop)), list(range(start, stop))
    positions = draw(st.permutations(range(num_rows)))
    places = placement(np.array(positions, np.int64), slice(start, stop))
    return num_rows, places, positions[start:stop]


@given(placements(), SHAPES, DTYPES, DTYPES, st.integers(0, 99))
def test_rows_are_copied_to_their_places_and_nothing_else_is_touched(
    case: tuple[int, Placement, list[int]],
    shape: tuple[int, ...],
    dtype: str,
    source_dtype: str,
    seed: int,
) -> None:
    num_rows, places, rows = case
    source = random_array((len(rows), *shape), source_dtype, seed)
    target = random_array((num_rows, *shape), dtype, seed + 1)
    expected = target.copy()
    for i, row in enumerate(rows):
        expected[row] = source[i]
    places.copy_rows(target, source)
    np.testing.assert_array_equal(target, expected)


@given(placements(), st.integers(2, 4))
def test_rows_that_do_not_lie_end_to_end_are_copied_too(
    case: tuple[int, Placement, list[int]], step: int
) -> None:
    num_rows, places, rows = case
    source = random_array((len(rows) * step, 3), "i4", 0)[::step]
    target = np.zeros((num_rows, 3), np.int32)
    places.copy_rows(target, source)
    assert target[rows].tolist() == source.tolist()


@given(placements())
def test_python_objects_are_placed_as_they_are(case: tuple[int, Placement, list[int]]) -> None:
    num_rows, places, rows = case
    source = np.empty(len(rows), np.object_)
    for i in range(len(rows)):
        source[i] = np.arange(i) if i % 2 else f"row {i}"
    target = np.empty(num_rows, np.object_)
    places.copy_rows(target, source)
    assert all(target[row] is source[i] for i, row in enumerate(rows))
    assert sum(value is not None for value in target) == len(rows)


@given(placements(), st.data())
def test_rows_that_are_left_out_of_what_is_copied_change_nothing(
    case: tuple[int, Placement, list[int]], data: st.DataObject
) -> None:
    num_rows, places, rows = case
    gaps = data.draw(st.lists(st.integers(1, 3), min_size=len(rows), max_size=len(rows)))
    numbers = np.cumsum(gaps, dtype=np.int64)
    source = random_array((sum(gaps) + 5,), "f4", 1)
    expected, found = (np.zeros(num_rows, np.float32) for _ in range(2))
    places.copy_rows(expected, source[numbers])
    places.of_whole(numbers).copy_rows(found, source)
    np.testing.assert_array_equal(found, expected)
    pair = [np.zeros((num_rows, 1), np.float32) for _ in range(2)]
    for target, column, by in (
        (pair[0], source[numbers], places),
        (pair[1], source, places.of_whole(numbers)),
    ):
        stacking = Stack(target, places, len(rows), lambda nbytes: np.empty(nbytes, np.uint8))
        stacking.put(0, column, by)
        stacking.finish()
    np.testing.assert_array_equal(*pair)


def stacked(target: Any, columns: list[Any], rows: list[int]) -> Any:
    expected = target.copy()
    for j, column in enumerate(columns):
        for i, row in enumerate(rows):
            expected[row, j] = column[i]
    return expected


def stack(target: Any, places: Placement, columns: list[Any]) -> None:
    stacking = Stack(target, places, len(columns[0]), lambda nbytes: np.empty(nbytes, np.uint8))
    for index, column in enumerate(columns):
        stacking.put(index, column, places)
    stacking.finish()


@given(placements(), DTYPES, st.lists(DTYPES, min_size=1, max_size=9), st.integers(0, 99))
def test_columns_are_stacked_to_the_places_of_their_rows(
    case: tuple[int, Placement, list[int]], dtype: str, column_dtypes: list[str], seed: int
) -> None:
    num_rows, places, rows = case
    columns = [
        random_array((len(rows),), column_dtype, seed + j)
        for j, column_dtype in enumerate(column_dtypes)
    ]
    target = random_array((num_rows, len(columns)), dtype, seed)
    expected = stacked(target, columns, rows)
    stack(target, places, columns)
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("num_rows", [8191, 8192, 8193, 20_000])
@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("num_columns", [1, 3, 32])
def test_long_columns_are_stacked_piece_by_piece_without_a_seam(
    num_rows: int, permuted: bool, num_columns: int
) -> None:
    columns = [random_array((num_rows,), "f4", j) for j in range(num_columns)]
    order = np.random.RandomState(0).permutation(num_rows)
    target = np.zeros((num_rows, num_columns), np.float32)
    places = placement(order if permuted else None, slice(0, num_rows))
    stack(target, places, columns)
    expected = np.stack(columns, axis=1)
    np.testing.assert_array_equal(target[order] if permuted else target, expected)
