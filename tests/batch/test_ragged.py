from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch import ragged as batch_ragged
from deltastream.batch.ragged import RaggedRows, RaggedWindow, offsets_of_lengths
from tests.support.columns import window_memory

LISTS = st.lists(st.lists(st.integers(-9, 9), max_size=4), max_size=12)


def ragged(lists: list[list[int]], width: int = 0) -> RaggedRows:
    """Rows of numbers, or of arrays of `width` of them, with values around them that are not theirs."""
    flat = np.array([7, *(value for row in lists for value in row), 8], np.int32)
    if width:
        flat = np.repeat(flat[:, None], width, axis=1)
    return RaggedRows(flat, offsets_of_lengths(np.array([len(r) for r in lists], np.int64)) + 1)


def lists_of(rows: RaggedRows) -> list[Any]:
    starts = (rows.offsets - rows.offsets[0]).tolist()
    return [rows.own_values[a:b].tolist() for a, b in pairwise(starts)]


@given(LISTS, st.integers(0, 12), st.integers(0, 12))
def test_a_slice_is_the_rows_of_a_list_slice_and_a_view(
    lists: list[list[int]], start: int, stop: int
) -> None:
    rows = ragged(lists)
    part = rows[start:stop]
    assert lists_of(part) == lists[start:stop]
    assert len(part) == len(lists[start:stop])
    assert part.values is rows.values
    assert lists_of(part.copy()) == lists[start:stop]


@given(LISTS.filter(len), st.data())
def test_rows_are_gathered_by_their_numbers_again_and_again(
    lists: list[list[int]], data: st.DataObject
) -> None:
    numbers = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=20))
    assert lists_of(ragged(lists)[np.array(numbers, np.int64)]) == [lists[n] for n in numbers]


@given(st.lists(LISTS, min_size=1, max_size=4))
def test_parts_are_put_together_in_their_order(parts: list[list[list[int]]]) -> None:
    joined = RaggedRows.concatenate([ragged(part) for part in parts])
    assert lists_of(joined) == [row for part in parts for row in part]


@pytest.fixture(params=[1, 5, 1 << 18])
def block_values(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_ragged, "_BLOCK_VALUES", request.param)
        yield


@pytest.mark.usefixtures("block_values")
@pytest.mark.parametrize("width", [0, 3])
@given(st.lists(LISTS.filter(len), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_a_window_has_every_row_in_its_place_whatever_part_comes_first(
    width: int, parts: list[list[list[int]]], random: Any
) -> None:
    lists = [row for part in parts for row in part]
    positions = np.array(random.sample(range(len(lists)), len(lists)), np.int64)
    window = RaggedWindow(len(lists), window_memory().take)
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    for number in random.sample(range(len(parts)), len(parts)):
        places = positions[starts[number] : starts[number + 1]]
        window.add(places, ragged(parts[number], width))
    expected: list[Any] = [None] * len(lists)
    for place, row in zip(positions.tolist(), lists, strict=True):
        expected[place] = [[value] * width for value in row] if width else row
    assert lists_of(window.rows()) == expected


def test_parts_of_a_window_may_come_from_several_threads() -> None:
    num_parts, num_rows = 16, 50
    window = RaggedWindow(num_parts * num_rows, window_memory().take)

    def add(part: int) -> None:
        places = np.arange(num_rows) * num_parts + part
        window.add(places, ragged([[part] * (row % 3) for row in range(num_rows)]))

    threads = [Thread(target=add, args=(part,)) for part in range(num_parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lists_of(window.rows()) == [
        [part] * (row % 3) for row in range(num_rows) for part in range(num_parts)
    ]
