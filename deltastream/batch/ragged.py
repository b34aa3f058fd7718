"""Owns ragged rows: values of several lengths end to end, and how a permuted window gets them in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from threading import Lock

import numpy as np
import numpy.typing as npt

from deltastream.batch.allocate import AnyArray

__all__ = ["RaggedRows", "RaggedWindow", "offsets_of_lengths"]

_BLOCK_ROWS = 2048
_BLOCK_VALUES = 1 << 18
"""Rows and values gathered at a time, unless a row has more: the indexes of values take 8 bytes each, several times."""

Take = Callable[[int], npt.NDArray[np.uint8]]


class RaggedRows:
    """n rows, of which row i is ``values[offsets[i]:offsets[i + 1]]``. A slice of it is a view, like an array's."""

    __slots__ = ("offsets", "values")

    def __init__(self, values: AnyArray, offsets: npt.NDArray[np.int64]) -> None:
        self.values = values
        """``[sum, *shape]``; there may be more, before the rows' own and after."""
        self.offsets = offsets
        """int64 ``[n + 1]``, rising."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: slice | npt.NDArray[np.int64]) -> RaggedRows:
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return RaggedRows(self.values, self.offsets[start : max(start, stop) + 1])
        lengths = self.lengths[rows]
        offsets = offsets_of_lengths(lengths)
        return RaggedRows(self.values[_spread(self.offsets[:-1][rows], offsets)], offsets)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 ``[n]``."""
        return np.diff(self.offsets)

    @property
    def own_values(self) -> AnyArray:
        """The rows' values, and no others."""
        return self.values[self.offsets[0] : self.offsets[-1]]

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.offsets.nbytes

    def copy(self) -> RaggedRows:
        """Return the same rows in memory of their own."""
        return RaggedRows(self.own_values.copy(), self.offsets - self.offsets[0])

    @staticmethod
    def concatenate(parts: Sequence[RaggedRows]) -> RaggedRows:
        """Return the rows of all `parts`, one after the other, in new memory."""
        lengths = np.concatenate([part.lengths for part in parts])
        values = np.concatenate([part.own_values for part in parts])
        return RaggedRows(values, offsets_of_lengths(lengths))


class RaggedWindow:
    """Collects the ragged rows of one permuted window; `add` may be called by several threads.

    Where a value goes depends on the lengths of all rows before it: so the values are copied, once, when the last rows
    have come, in the thread that brought them. Rows that come once more, the same, change nothing.
    """

    def __init__(self, num_rows: int, take: Take) -> None:
        self._lengths = np.full(num_rows, -1, np.int64)
        self._parts: list[tuple[npt.NDArray[np.int64], RaggedRows]] = []
        self._num_missing = num_rows
        self._take = take
        self._lock = Lock()
        self._rows: RaggedRows | None = None

    def add(self, positions: npt.NDArray[np.int64], rows: RaggedRows) -> None:
        """Add `rows`, row i of which is row ``positions[i]`` of the window."""
        with self._lock:
            if self._num_missing == 0:
                return
            self._num_missing -= int(np.count_nonzero(self._lengths[positions] < 0))
            self._lengths[positions] = rows.lengths
            self._parts.append((positions, rows))
            if self._num_missing > 0:
                return
        self._rows = self._gather()
        self._parts.clear()

    def rows(self) -> RaggedRows:
        """Return the window's rows, once all have come."""
        assert self._rows is not None
        return self._rows

    def _gather(self) -> RaggedRows:
        offsets = offsets_of_lengths(self._lengths)
        like = self._parts[0][1].values
        shape = like.shape[1:]
        nbytes = int(offsets[-1]) * like.dtype.itemsize * prod(shape)
        values = self._take(nbytes)[:nbytes].view(like.dtype).reshape(-1, *shape)
        for positions, rows in self._parts:
            start = 0
            while start < len(rows):
                last = int(np.searchsorted(rows.offsets, rows.offsets[start] + _BLOCK_VALUES))
                stop = max(start + 1, min(start + _BLOCK_ROWS, last))
                block = rows[start:stop]
                starts = offsets[positions[start:stop]]
                if stop == start + 1:
                    values[starts[0] : starts[0] + len(block.own_values)] = block.own_values
                else:
                    values[_spread(starts, block.offsets - block.offsets[0])] = block.own_values
                start = stop
        return RaggedRows(values, offsets)


def offsets_of_lengths(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where rows of these lengths begin, and the last one ends, if they lie end to end."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _spread(starts: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the indexes of all values of rows that begin at `starts`, where they lie at `offsets` end to end."""
    shifts = np.repeat(starts - offsets[:-1], np.diff(offsets))
    return shifts + np.arange(offsets[0], offsets[-1])
