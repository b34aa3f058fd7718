from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch.place import Placement, placement

DTYPES = st.sampled_from(["?", "i1", "u1", "i2", "f2", "i4", "f4", "i8", "f8", "u4"])
SHAPES = st.sampled_from([(), (1,), (2,), (3,), (7,), (16,), (2, 3), (3, 1, 2), (33,)])


def random_array(shape: tuple[int, ...], dtype: str, seed: int) -> Any:
    return np.random.RandomState(seed).randint(0, 100, shape).astype(dtype)


def numbers_of(draw: st.DrawFn, num_rows: int) -> Any:
    """Ascending numbers of rows in a whole column."""
    gaps = draw(st.lists(st.integers(1, 3), min_size=num_rows, max_size=num_rows))
    return np.cumsum(gaps, dtype=np.int64)


@st.composite
def placements(draw: st.DrawFn, *, max_rows: int = 30) -> tuple[int, Placement, list[int]]:
    """Rows of a window, the places of some of them, and the same as a list."""
    num_rows = draw(st.integers(1, max_rows))
    start = draw(st.integers(0, num_rows - 1) | st.just(0))
    stop = draw(st.integers(start + 1, num_rows) | st.just(num_rows))
    if draw(st.booleans()):
        places = placement(None, slice(start, stop), numbers_of(draw, stop - start))
        return num_rows, places, list(range(start, stop))
    positions = draw(st.permutations(range(num_rows)))
    numbers = numbers_of(draw, stop - start)
    places = placement(np.array(positions, np.int64), slice(start, stop), numbers)
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


@given(placements())
def test_rows_that_are_left_out_of_what_is_copied_change_nothing(
    case: tuple[int, Placement, list[int]],
) -> None:
    num_rows, places, _ = case
    source = random_array((int(places.numbers[-1]) + 6,), "f4", 1)
    expected, found = (np.zeros(num_rows, np.float32) for _ in range(2))
    places.copy_rows(expected, source[places.numbers])
    places.copy_rows(found, source)
    np.testing.assert_array_equal(found, expected)
