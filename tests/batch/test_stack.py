from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch.place import Placement, placement
from deltastream.batch.stack import Stack
from tests.batch.test_place import DTYPES, placements, random_array


def stacked(target: Any, columns: list[Any], rows: list[int]) -> Any:
    expected = target.copy()
    for j, column in enumerate(columns):
        for i, row in enumerate(rows):
            expected[row, j] = column[i]
    return expected


def stack(target: Any, places: Placement, columns: list[Any]) -> None:
    stacking = Stack(target, places, lambda nbytes: np.empty(nbytes, np.uint8))
    for index, column in enumerate(columns):
        stacking.put(index, column)


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


@given(placements(), DTYPES, st.lists(st.booleans(), min_size=1, max_size=9))
def test_columns_may_come_with_rows_that_are_left_out_some_or_all_of_them(
    case: tuple[int, Placement, list[int]], dtype: str, come_whole: list[bool]
) -> None:
    num_rows, places, rows = case
    shape = (int(places.numbers[-1]) + 3,)
    whole = [random_array(shape, "i2", j) for j in range(len(come_whole))]
    live = [column[places.numbers] for column in whole]
    target = random_array((num_rows, len(whole)), dtype, 7)
    expected = stacked(target, live, rows)
    stack(
        target,
        places,
        [w if is_whole else c for w, c, is_whole in zip(whole, live, come_whole, strict=True)],
    )
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("num_rows", [8191, 8192, 8193, 20_000])
@pytest.mark.parametrize("order", ["file", "permuted", "permuted among others"])
@pytest.mark.parametrize("num_columns", [1, 3, 32])
@pytest.mark.parametrize("dropped", ["none", "a fifth", "half"])
def test_long_columns_are_stacked_piece_by_piece_without_a_seam(
    num_rows: int, order: str, num_columns: int, dropped: str
) -> None:
    whole = np.arange(2 * num_rows)
    numbers = {"none": whole, "a fifth": whole[whole % 5 != 0], "half": whole[::2]}[dropped]
    numbers = numbers[:num_rows]
    columns = [random_array((int(numbers[-1]) + 1,), "f4", j) for j in range(num_columns)]
    rows = slice(0, num_rows)
    positions = None
    if order != "file":
        others = 1000 if order == "permuted among others" else 0
        positions = np.random.RandomState(0).permutation(num_rows + others)
    target = np.zeros((num_rows if positions is None else len(positions), num_columns), np.float32)
    stack(target, placement(positions, rows, numbers), columns)
    expected = np.stack(columns, axis=1)[numbers]
    np.testing.assert_array_equal(target[rows if positions is None else positions[rows]], expected)
