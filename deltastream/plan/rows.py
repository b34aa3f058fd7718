"""Owns the way back: from a microbatch's number to the rows of the table that it has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from deltastream.plan.blocks import Block
from deltastream.plan.epoch import EpochOrder
from deltastream.plan.windows import Window, plan_windows
from deltastream.types import RowGroupSizes

__all__ = ["blocks_of", "rows_of"]


def blocks_of(order: EpochOrder, microbatch: int) -> list[Block]:
    """Return the blocks that a microbatch lies in: the footers of their files are all that `rows_of` needs."""
    span = order.microbatch(microbatch)
    blocks = []
    row = span.start
    while row < span.stop:
        block = order.block(span.lane, row)
        blocks.append(block)
        row = block.stop
    return blocks


def rows_of(
    order: EpochOrder, microbatch: int, sizes: Mapping[int, RowGroupSizes]
) -> npt.NDArray[np.int64]:
    """Return the rows of a microbatch, in order: file, row group and live row of the row group, int64 ``[n, 3]``.

    `sizes` has the row groups of each file of `blocks_of`. Nothing before the microbatch's blocks is computed.
    """
    span = order.microbatch(microbatch)
    parts = []
    for block in blocks_of(order, microbatch):
        for window in plan_windows(block, sizes, order.options, epoch=order.epoch):
            start, stop = max(span.start, window.start), min(span.stop, window.stop)
            if start < stop:
                parts.append(_window_rows(window)[start - window.start : stop - window.start])
    return np.concatenate(parts)


def _window_rows(window: Window) -> npt.NDArray[np.int64]:
    rows = np.empty((window.num_rows, 3), np.int64)
    read = np.empty_like(rows)
    offset = 0
    for part in window.slices:
        target = read[offset : offset + part.num_rows]
        target[:, 0], target[:, 1] = part.file, part.row_group
        target[:, 2] = np.arange(part.start, part.stop)
        offset += part.num_rows
    rows[window.positions()] = read
    return rows
