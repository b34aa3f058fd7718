from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from deltastream.selection import RowSelection

GROUPS = st.lists(st.integers(0, 20), max_size=6)


@given(GROUPS, st.data())
def test_every_row_of_every_row_group_lives_or_is_dropped(
    groups: list[int], data: st.DataObject
) -> None:
    num_rows = sum(groups)
    dropped = data.draw(st.sets(st.integers(0, num_rows - 1))) if num_rows else set()
    selection = RowSelection(BitMap64(dropped))
    assert selection.num_dropped == len(dropped)
    expected = []
    start = 0
    for size in groups:
        live = [row for row in range(size) if start + row not in dropped]
        assert selection.live_rows(start, start + size).tolist() == live
        expected.append(len(live))
        start += size
    assert selection.live_counts(np.array(groups, np.int64)).tolist() == expected


@given(st.sets(st.integers(0, 99)), st.sets(st.integers(0, 99)))
def test_what_either_of_two_selections_drops_their_union_drops(a: set[int], b: set[int]) -> None:
    union = RowSelection(BitMap64(a)).union(RowSelection(BitMap64(b)))
    assert union.live_rows(0, 100).tolist() == sorted(set(range(100)) - a - b)


def test_rows_beyond_what_32_bits_count_are_counted() -> None:
    far = (1 << 33) + 5
    selection = RowSelection(BitMap64([3, far]))
    assert selection.live_rows(far - 2, far + 2).tolist() == [0, 1, 3]
    assert selection.live_counts(np.array([far, 10])).tolist() == [far - 1, 9]
