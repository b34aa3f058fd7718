from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deltastream.options import OrderOptions
from deltastream.plan.blocks import FileSpan
from deltastream.plan.windows import slice_file
from tests.support.orders import TableSizes, order_options, tables, walk_lane

LANES = st.integers(1, 5)


@given(tables(), order_options(shuffle=True), LANES)
def test_windows_fill_their_block_and_never_cross_it(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for lane in range(lanes + 1):
        walked = walk_lane(order, lane, table)
        windows = iter(walked.windows)
        for block in walked.blocks:
            row, index = block.start, 0
            while row < block.stop:
                window = next(windows)
                assert (window.lane, window.block, window.index) == (lane, block.index, index)
                assert window.start == row
                assert {s.file for s in window.slices} <= {s.file for s in block.spans}
                row, index = window.stop, index + 1
            assert row == block.stop
        assert next(windows, None) is None


@given(tables(), order_options(shuffle=True), LANES)
def test_a_window_keeps_within_its_rows_and_bytes_or_is_one_row_group(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for lane in range(lanes + 1):
        for window in walk_lane(order, lane, table).windows:
            assert window.num_rows == sum(s.num_rows for s in window.slices) > 0
            if len(window.slices) > 1:
                assert window.num_rows <= options.shuffle_rows
                assert window.nbytes <= options.shuffle_nbytes


@given(tables(), order_options(shuffle=True), LANES)
def test_a_window_is_closed_only_where_the_next_row_group_would_not_fit(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for lane in range(lanes + 1):
        windows = walk_lane(order, lane, table).windows
        for window, after in pairwise(windows):
            if window.block == after.block:
                first = after.slices[0]
                assert (
                    window.num_rows + first.num_rows > options.shuffle_rows
                    or window.nbytes + first.nbytes > options.shuffle_nbytes
                )


@given(tables(), order_options(shuffle=False), LANES)
def test_without_shuffle_row_groups_share_a_window_while_they_fit_but_for_the_first(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for lane in range(lanes + 1):
        windows = walk_lane(order, lane, table).windows
        for window in windows:
            assert window.key is None
            assert window.positions().tolist() == list(range(window.num_rows))
            places = [(part.file, part.row_group, part.start) for part in window.slices]
            assert places == sorted(
                places, key=lambda place: (list(order.files).index(place[0]), place)
            )
            if len(window.slices) > 1:
                assert window.start > 0
                assert 0 < options.sequential_nbytes >= window.nbytes
                assert options.sequential_rows >= window.num_rows
        for window, after in pairwise(windows):
            if options.sequential_nbytes and window.block == after.block and window.start > 0:
                nbytes = window.nbytes + after.slices[0].nbytes
                num_rows = window.num_rows + after.slices[0].num_rows
                assert nbytes > options.sequential_nbytes or num_rows > options.sequential_rows


@given(tables(), order_options(shuffle=True), LANES)
def test_no_two_windows_share_a_permutation_key(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    keys = [w.key for lane in range(lanes + 1) for w in walk_lane(order, lane, table).windows]
    assert len(set(keys)) == len(keys)


@given(tables(min_rows=1), st.data())
def test_a_file_that_a_cut_divides_gives_each_side_its_part_and_nothing_twice(
    table: TableSizes, data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(np.flatnonzero(table.live_rows).tolist()))
    num_rows = int(table.live_rows[file])
    cut = data.draw(st.integers(0, num_rows))
    spans = [FileSpan(file, 0, cut), FileSpan(file, cut, num_rows)]
    sizes = table.sizes[file]
    rows = [
        (part.file, part.row_group, i)
        for span in spans
        if span.start < span.stop
        for part in slice_file(span, sizes)
        for i in range(part.start, part.stop)
    ]
    assert rows == table.file_rows(file)


def test_a_cut_inside_a_row_group_is_read_by_both_lanes() -> None:
    table = TableSizes(((10,),), (8,))
    order = table.order(OrderOptions(5), lanes=2)
    (left,), (right,) = (walk_lane(order, lane, table).windows for lane in range(2))
    assert [(s.row_group, s.start, s.stop, s.nbytes) for s in left.slices] == [(0, 0, 5, 40)]
    assert [(s.row_group, s.start, s.stop, s.nbytes) for s in right.slices] == [(0, 5, 10, 40)]
    assert left.slices[0].num_rows == right.slices[0].num_rows == 5
