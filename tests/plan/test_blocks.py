from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.options import BLOCK_FILES, OrderOptions
from deltastream.plan import EpochOrder, choose_blocks
from tests.support.orders import TableSizes, order_options, tables, walk_blocks

LANES = st.integers(1, 5)


def expected_blocks(order: EpochOrder, lane: int) -> list[tuple[int, list[tuple[int, int, int]]]]:
    """Index and file spans of a lane's blocks, from the definition: by where a file's first row in the lane lies."""
    start, stop = order.lane_rows(lane)
    options = order.options
    block_rows, first_rows = options.block_rows, options.first_block_rows or options.block_rows
    blocks = defaultdict(list)
    for file, first, last in zip(order.files, order.starts, order.starts[1:], strict=False):
        low, high = max(start, first), min(stop, last)
        if low < high:
            span = (int(file), int(low - first), int(high - first))
            behind = int(low - start) - first_rows
            blocks[0 if behind < 0 else 1 + behind // block_rows].append(span)
    return sorted(blocks.items())


@given(tables(), order_options(), LANES)
def test_the_blocks_of_a_lane_hold_the_files_that_begin_in_them(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for lane in range(lanes + 1):
        found = [
            (block.index, [(s.file, s.start, s.stop) for s in block.spans])
            for block in walk_blocks(order, lane)
        ]
        assert found == expected_blocks(order, lane)


@given(tables(), order_options(), LANES)
def test_blocks_partition_a_lane_and_every_row_finds_its_own(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for lane in range(lanes + 1):
        start, stop = order.lane_rows(lane)
        row = 0
        for block in walk_blocks(order, lane):
            assert block.start == row < block.stop
            assert sum(s.stop - s.start for s in block.spans) == block.stop - block.start
            assert all(order.block(lane, r) == block for r in range(block.start, block.stop))
            row = block.stop
        assert row == stop - start


@given(tables(), order_options(), LANES)
def test_a_row_beyond_the_lane_is_an_index_error(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for lane in range(lanes + 1):
        start, stop = order.lane_rows(lane)
        for row in (-1, stop - start):
            with pytest.raises(IndexError, match=f"row {row} of lane {lane}"):
                order.block(lane, row)


@given(tables(), st.integers(1, 1000))
def test_a_block_is_about_64_files_and_never_less_than_a_window(
    table: TableSizes, shuffle_rows: int
) -> None:
    options = OrderOptions(8, shuffle=True, shuffle_rows=shuffle_rows)
    found = choose_blocks(table.live_rows, options)
    files = int(np.count_nonzero(table.live_rows))
    assert found.block_rows >= shuffle_rows
    assert found.first_block_rows == 0
    assert found.block_rows * files >= table.num_rows * BLOCK_FILES or files == 0
    if found.block_rows > shuffle_rows:
        assert found.block_rows < (table.num_rows / files + 1) * BLOCK_FILES


@pytest.mark.parametrize(
    ("mean_rows", "batch_size", "first_rows", "block_rows"),
    [
        (1, 8, 1024, 1024),
        (64, 8, 1024, 4096),
        (1000, 8, 1024, 64_000),
        (1 << 20, 8, 1024, 65_536),
        (64, 2048, 2048, 4096),
        (64, 100_000, 100_000, 100_000),
    ],
)
def test_without_shuffle_the_first_block_is_for_a_batch_and_no_block_is_large(
    mean_rows: int, batch_size: int, first_rows: int, block_rows: int
) -> None:
    found = choose_blocks(np.array([mean_rows, 0, mean_rows]), OrderOptions(batch_size))
    assert (found.block_rows, found.first_block_rows) == (block_rows, first_rows)
