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
    """Columns on their way into one array: put in order, two at a time while they are hot, then transposed in blocks.

    Two columns lie side by side on the way, value by value, so that taking them in another order, and transposing, move
    two values at a time: 32 columns of 4 bytes cost 21 ns a row so, 30 one by one, and 40 written straight to the rows,
    which leave the cache between columns.
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
        self._pair: AnyArray | None = None
        self._gathered: npt.NDArray[np.int64] | None = None
        self._drops = False
        self._columns: AnyArray

    def put(self, index: int, column: AnyArray) -> None:
        """Copy column `index`, which may come whole; the last one completes the rows."""
        if self._pair is None:
            self._pair = self._allocate(len(column))
        pair = self._pair if self._gathered is not None else self._columns[index // 2]
        values = pair[:, index % 2]
        if len(column) == len(values):
            values[:] = column
        elif len(column) > len(values):
            values[:] = column[self._places.numbers]
        else:
            # Columns before this one came whole; what lies between its rows is left out with what lies there in them.
            values[self._places.numbers] = column
        is_last = index == self._target.shape[1] - 1
        if self._gathered is not None and (index % 2 or is_last):
            dtype = _PAIRS[pair.dtype.itemsize]
            rows = self._columns[index // 2].view(dtype)[:, 0]
            np.take(pair.view(dtype)[:, 0], self._gathered, out=rows, mode="clip")
        if is_last:
            self._pair = None
            self._finish()

    def _allocate(self, num_rows: int) -> AnyArray:
        """Make memory for all columns, ``[ceil(k / 2), n, 2]``, and return that for two of `num_rows`."""
        places, dtype = self._places, self._target.dtype
        is_whole = num_rows != places.num_rows
        # Where most rows stay, leaving the others out once costs less than from every pair.
        self._drops = is_whole and not places.is_gathered and num_rows < 2 * places.num_rows
        self._gathered = None if self._drops else places.gathered(from_whole=is_whole)
        num_taken, rest = (
            (num_rows, 0) if self._gathered is None else (places.num_rows, 2 * num_rows)
        )
        num_pairs = -(-self._target.shape[1] // 2)
        size = 2 * (num_taken + _PAD)
        memory = self._take((num_pairs * size + rest) * dtype.itemsize).view(dtype)
        columns = memory[: num_pairs * size].reshape(num_pairs, -1, 2)
        self._columns = columns[:, :num_taken]
        return memory[num_pairs * size :].reshape(-1, 2)

    def _finish(self) -> None:
        """Move the columns to the rows."""
        columns, order = self._columns, self._places.order
        del self._columns
        num_rows = columns.shape[1]
        is_in_place = isinstance(order, slice) and not self._drops
        rows = (
            self._target[order]
            if is_in_place
            else np.empty((min(num_rows, _BLOCK_ROWS), self._target.shape[1]), self._target.dtype)
        )
        for start in range(0, num_rows, _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, num_rows)
            if is_in_place:
                _transpose(columns[:, start:stop], rows[start:stop])
            else:
                block = rows[: stop - start]
                _transpose(columns[:, start:stop], block)
                self._places.copy_block(self._target, block, start, from_whole=self._drops)


def _transpose(columns: AnyArray, rows: AnyArray) -> None:
    """Copy pairs of columns ``[ceil(k / 2), n, 2]`` to rows ``[n, k]``."""
    pair = _PAIRS[rows.dtype.itemsize]
    half, odd = divmod(rows.shape[1], 2)
    if half:
        rows[:, : 2 * half].view(pair)[:] = columns[:half].view(pair)[..., 0].T
    if odd:
        rows[:, -1] = columns[-1, :, 0]
