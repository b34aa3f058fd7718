"""Owns windows: the row groups of a block, permuted, that are decoded together and whose rows are permuted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deltastream.options import OrderOptions
from deltastream.plan.blocks import Block, FileSpan
from deltastream.plan.permutation import permutation
from deltastream.types import RowGroupSizes

__all__ = ["Window", "WindowSlice", "plan_windows", "slice_file"]


@dataclass(frozen=True, slots=True)
class WindowSlice:
    """Live rows ``[start, stop)`` of one row group, and about how many bytes they decode to."""

    file: int
    row_group: int
    start: int
    stop: int
    nbytes: int

    @property
    def num_rows(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Window:
    """Rows ``[start, stop)`` of a lane, and the row-group slices that they are made of."""

    lane: int
    block: int
    index: int
    start: int
    stop: int
    slices: tuple[WindowSlice, ...]
    key: tuple[int, ...] | None
    """Key of the permutation of its rows; None: the rows keep the order of `slices`."""

    @property
    def num_rows(self) -> int:
        return self.stop - self.start

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.slices)

    def positions(self) -> npt.NDArray[np.int64]:
        """Return, for each row of `slices` put end to end, the row of the window that it becomes."""
        if self.key is None:
            return np.arange(self.num_rows)
        return permutation(self.num_rows, *self.key)


def plan_windows(
    block: Block, sizes: Mapping[int, RowGroupSizes], options: OrderOptions, *, epoch: int
) -> list[Window]:
    """Return the windows of a block, in order.

    `sizes` has the row groups of each of the block's files. With shuffle the row groups are permuted, and a window
    is closed before it would exceed `shuffle_rows` rows or `shuffle_nbytes` bytes; a row group larger than that is
    a window alone. Without, it is closed before it would exceed `sequential_rows` or `sequential_nbytes` (0: after each
    row group), and the lane's first after one row group: the first batch waits for no more.
    """
    slices = [part for span in block.spans for part in slice_file(span, sizes[span.file])]
    if not options.shuffle:
        if not options.sequential_nbytes:
            # Also one of no bytes: none of its columns is in the file.
            return list(_number(block, ([part] for part in slices), key=None))
        alone = slices[:1] if block.start == 0 else []
        groups = _close_windows(
            slices[len(alone) :], options.sequential_rows, options.sequential_nbytes
        )
        return list(_number(block, [alone, *groups] if alone else groups, key=None))
    key = (options.seed, epoch, block.lane, block.index)
    order = permutation(len(slices), *key)
    groups = _close_windows(
        [slices[i] for i in order], options.shuffle_rows, options.shuffle_nbytes
    )
    return list(_number(block, groups, key=key))


def slice_file(span: FileSpan, sizes: RowGroupSizes) -> Iterator[WindowSlice]:
    """Yield the row-group slices that make up a span of a file's live rows."""
    ends = np.cumsum(sizes.num_rows)
    for group in range(bisect_right(ends, span.start), len(ends)):
        first = int(ends[group] - sizes.num_rows[group])
        if first >= span.stop:
            return
        start, stop = max(span.start, first) - first, min(span.stop, int(ends[group])) - first
        if start < stop:
            nbytes = int(sizes.nbytes[group]) * (stop - start) // int(sizes.num_rows[group])
            yield WindowSlice(span.file, group, start, stop, nbytes)


def _close_windows(
    slices: list[WindowSlice], max_rows: int, max_nbytes: int
) -> Iterator[list[WindowSlice]]:
    open_slices: list[WindowSlice] = []
    num_rows = nbytes = 0
    for part in slices:
        num_rows += part.num_rows
        nbytes += part.nbytes
        if open_slices and (num_rows > max_rows or nbytes > max_nbytes):
            yield open_slices
            open_slices, num_rows, nbytes = [], part.num_rows, part.nbytes
        open_slices.append(part)
    if open_slices:
        yield open_slices


def _number(
    block: Block, groups: Iterable[list[WindowSlice]], *, key: tuple[int, ...] | None
) -> Iterator[Window]:
    start = block.start
    for index, group in enumerate(groups):
        stop = start + sum(part.num_rows for part in group)
        yield Window(
            block.lane,
            block.index,
            index,
            start,
            stop,
            tuple(group),
            None if key is None else (*key, index),
        )
        start = stop
