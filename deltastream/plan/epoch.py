"""Owns one epoch's order of files and its division into lanes and microbatches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from deltastream.options import OrderOptions
from deltastream.plan.blocks import Block, find_block
from deltastream.plan.permutation import permutation

__all__ = ["EpochOrder", "LaneSpan"]


class LaneSpan(NamedTuple):
    """Rows ``[start, stop)`` of one lane."""

    lane: int
    start: int
    stop: int


class EpochOrder:
    """The numbered order of one epoch, from the live rows of each file in base order.

    L lanes hold ``K = N // (L * B)`` full batches each; the rows that remain, fewer than ``L * B``, are a last lane
    with the number L that all consumers share. A single lane without shuffle has them too: they follow in file order,
    and the row group that they begin in is read once. Memory and time are linear in the number of files.
    """

    def __init__(
        self, live_rows: npt.NDArray[np.int64], options: OrderOptions, *, lanes: int, epoch: int
    ) -> None:
        self.options = options
        self.epoch = epoch
        self.num_lanes = lanes
        # Files without live rows are not part of the order.
        files = np.flatnonzero(live_rows)
        if options.shuffle:
            files = files[permutation(len(files), options.seed, epoch)]
        self.files: npt.NDArray[np.int64] = files
        self.starts = np.zeros(len(files) + 1, np.int64)
        """Epoch row at which each file starts; the last entry is N."""
        np.cumsum(live_rows[files], out=self.starts[1:])
        self.num_rows = int(self.starts[-1])
        self.lane_batches = self.num_rows // (lanes * options.batch_size)
        self.num_microbatches = options.num_microbatches(self.num_rows)
        self._is_sequential = lanes == 1 and not options.shuffle

    def __repr__(self) -> str:
        return (
            f"<EpochOrder {self.epoch}: {self.num_rows} rows, {len(self.files)} files, "
            f"{self.num_lanes} lanes of {self.lane_batches} batches, {self.num_microbatches} microbatches>"
        )

    def lane_rows(self, lane: int) -> tuple[int, int]:
        """Return the epoch rows ``[start, stop)`` of a lane; lane L is the shared one."""
        if self._is_sequential:
            return (0, self.num_rows) if lane == 0 else (self.num_rows, self.num_rows)
        length = self.lane_batches * self.options.batch_size
        if lane == self.num_lanes:
            return lane * length, self.num_rows
        return lane * length, (lane + 1) * length

    def microbatch(self, number: int) -> LaneSpan:
        """Return the rows of microbatch `number`; only the very last may be short."""
        if not 0 <= number < self.num_microbatches:
            raise IndexError(f"microbatch {number} of {self.num_microbatches}")
        batch_size, num_lanes = self.options.batch_size, self.num_lanes
        if self._is_sequential:
            first = number * batch_size
            return LaneSpan(0, first, min(first + batch_size, self.num_rows))
        in_lanes = self.lane_batches * num_lanes
        if number < in_lanes:
            first = number // num_lanes * batch_size
            return LaneSpan(number % num_lanes, first, first + batch_size)
        first = (number - in_lanes) * batch_size
        start, stop = self.lane_rows(num_lanes)
        return LaneSpan(num_lanes, first, min(first + batch_size, stop - start))

    def block(self, lane: int, row: int) -> Block:
        """Return the block that holds row `row` of `lane`."""
        lane_start, lane_stop = self.lane_rows(lane)
        return find_block(
            self.files,
            self.starts,
            lane=lane,
            lane_start=lane_start,
            lane_stop=lane_stop,
            row=row,
            block_rows=self.options.block_rows,
            first_block_rows=self.options.first_block_rows or self.options.block_rows,
        )
