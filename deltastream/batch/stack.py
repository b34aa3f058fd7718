"""Owns the stacking of columns: one array ``[n, k]`` of k columns that come one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from deltastream.batch.allocate import AnyArray
from deltastream.batch.place import Placement

__all__ = ["Stack"]

_BLOCK_ROWS = 4096
"""Rows transposed at a time: 32 columns of 4 bytes are half a MiB, and twice that with the rows."""

_PAD = 16
"""Values between columns to be transposed: at a power of two apart they would share one cache set."""

_PAIRS = {1: "u2", 2: "u4", 4: "u8", 8: "c16"}


class Stack:
    """Columns on their way into one array: put in order, each while it is hot, then transposed in blocks.

    Two columns lie side by side on the way, value by value, so that transposing moves two values at a time: 32 columns
    of 4 bytes cost 21 ns a row so, 30 one by one, and 40 written straight to the rows, which leave the cache between
    columns.
    """

    def __init__(
        self,
        target: AnyArray,
        places: Placement,
        take: Callable[[int], npt.NDArray[np.uint8]],
    ) -> None:
        """`take(nbytes)` gives memory for all columns."""
        self._target = target
        self._places = places
        self._take = take
        self._columns: AnyArray | None = None

    def put(self, index: int, column: AnyArray) -> None:
        """Copy column `index`, which may come whole; the last one completes the rows."""
        if self._columns is None:
            self._columns = self._allocate(len(column))
        values = self._columns[index // 2, :, index % 2]
        if len(column) == len(values):
            values[:] = column
        elif len(column) > len(values):
            values[:] = column[self._places.numbers]
        else:
            # Columns before this one came whole; what lies between its rows is left out with what lies there in them.
            values[self._places.numbers] = column
        if index == self._target.shape[1] - 1:
            columns, self._columns = self._columns, None
            self._transpose(columns)

    def _allocate(self, num_rows: int) -> AnyArray:
        """Return memory ``[ceil(k / 2), num_rows, 2]``."""
        dtype = self._target.dtype
        shape = (-(-self._target.shape[1] // 2), num_rows + _PAD, 2)
        memory = self._take(shape[0] * shape[1] * 2 * dtype.itemsize)
        return memory.view(dtype).reshape(shape)[:, :num_rows]

    def _transpose(self, columns: AnyArray) -> None:
        places, num_rows = self._places, columns.shape[1]
        is_whole = num_rows != places.num_rows
        in_order = isinstance(places.positions, slice) and not is_whole
        rows = (
            self._target[places.positions]
            if in_order
            else np.empty((min(num_rows, _BLOCK_ROWS), self._target.shape[1]), self._target.dtype)
        )
        for start in range(0, num_rows, _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, num_rows)
            block = rows[start:stop] if in_order else rows[: stop - start]
            _transpose(columns[:, start:stop], block)
            if not in_order:
                places.part(start, stop, of_whole=is_whole).copy_rows(self._target, block)


def _transpose(columns: AnyArray, rows: AnyArray) -> None:
    """Copy pairs of columns ``[ceil(k / 2), n, 2]`` to rows ``[n, k]``."""
    pair = _PAIRS[rows.dtype.itemsize]
    half, odd = divmod(rows.shape[1], 2)
    if half:
        rows[:, : 2 * half].view(pair)[:] = columns[:half].view(pair)[..., 0].T
    if odd:
        rows[:, -1] = columns[-1, :, 0]
