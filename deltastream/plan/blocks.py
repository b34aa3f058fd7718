"""Owns blocks: the files of a lane whose footers are needed at the same time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from deltastream.options import (
    BLOCK_FILES,
    FIRST_BLOCK_ROWS,
    SEQUENTIAL_BLOCK_ROWS,
    OrderOptions,
)

__all__ = ["Block", "FileSpan", "choose_blocks", "find_block"]


@dataclass(frozen=True, slots=True)
class FileSpan:
    """Live rows ``[start, stop)`` of one file (an index into the snapshot's files)."""

    file: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Block:
    """The files whose first row in the lane lies in one of the intervals that the lane is divided into."""

    lane: int
    index: int
    start: int
    """Lane row of the block's first row."""
    stop: int
    spans: tuple[FileSpan, ...]
    """The files, in epoch order; the lane's first and last may be cut."""


def find_block(
    files: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    *,
    lane: int,
    lane_start: int,
    lane_stop: int,
    row: int,
    block_rows: int,
    first_block_rows: int,
) -> Block:
    """Return the block of `lane` that holds lane row `row`, by binary search in the files' epoch `starts`.

    Block 0 has the files that begin in the first `first_block_rows` rows, each other one those that begin in the next
    `block_rows`.
    """
    if not 0 <= row < lane_stop - lane_start:
        raise IndexError(f"row {row} of lane {lane}, which has {lane_stop - lane_start} rows")
    # Not NumPy's: it lets the interpreter's lock go, and waits for the decode threads to have it back.
    holder = bisect_right(starts, lane_start + row) - 1
    # A file that a cut divides has its first row in this lane at the lane's start.
    ahead = block_rows - first_block_rows
    index = (max(0, int(starts[holder]) - lane_start) + ahead) // block_rows
    first = bisect_left(starts, lane_start + index * block_rows - ahead)
    if index == 0:
        first = bisect_right(starts, lane_start) - 1
    end = min(lane_start + (index + 1) * block_rows - ahead, lane_stop)
    last = bisect_left(starts, end)
    spans = tuple(
        FileSpan(
            int(files[i]),
            max(lane_start, int(starts[i])) - int(starts[i]),
            min(lane_stop, int(starts[i + 1])) - int(starts[i]),
        )
        for i in range(first, last)
    )
    start = max(lane_start, int(starts[first])) - lane_start
    return Block(lane, index, start, min(lane_stop, int(starts[last])) - lane_start, spans)


def choose_blocks(live_rows: npt.NDArray[np.int64], options: OrderOptions) -> OrderOptions:
    """Return `options` with the rows of a block.

    It has 64 files of mean size, so that row groups mix across them, and a window at least; without shuffle 65,536 rows
    at most, and no more in the first one than the first batch takes, about.
    """
    num_files = max(1, int(np.count_nonzero(live_rows)))
    rows = -(-int(live_rows.sum()) // num_files) * BLOCK_FILES
    if options.shuffle:
        return replace(options, block_rows=max(options.shuffle_rows, rows))
    first_rows = max(FIRST_BLOCK_ROWS, options.batch_size)
    rows = max(first_rows, min(rows, SEQUENTIAL_BLOCK_ROWS))
    return replace(options, block_rows=rows, first_block_rows=first_rows)
