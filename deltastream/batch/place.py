"""Owns the one copy of a row: from decoded columns to its place in a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from deltastream.batch.allocate import AnyArray

__all__ = ["Placement", "Stack", "placement"]

_BLOCK_ROWS = 4096
"""Rows transposed at a time: 32 columns of 4 bytes are half a MiB, and twice that with the rows."""

_PAD = 16
"""Values between columns to be transposed: at a power of two apart they would share one cache set."""

_WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where rows go: row i to row ``positions[i]`` of the window (or, as a slice, one after the other)."""

    positions: npt.NDArray[np.int64] | slice
    origins: npt.NDArray[np.int64] | None = None
    """The inverse, where the rows are all of the window: gathering is a fifth faster than scattering."""
    sources: npt.NDArray[np.int64] | None = None
    """Which rows of what is copied are meant, where it has others too."""

    def of_whole(self, numbers: npt.NDArray[np.int64]) -> Placement:
        """Return the places of the same rows where they are the rows `numbers` of what is copied.

        The others are left out in the copy that is made anyway.
        """
        if self.origins is not None:
            return Placement(self.positions, numbers[self.origins])
        return Placement(self.positions, sources=numbers)

    def copy_rows(self, target: AnyArray, source: AnyArray) -> None:
        """Copy rows of `source` ``[n, *shape]`` to their places in `target` ``[m, *shape]``."""
        if target.dtype == np.object_ or (
            isinstance(self.positions, slice) and self.sources is None
        ):
            target[self.positions] = source
            return
        # A row as one opaque item: a memory copy each, several times as fast as fancy indexing of two dimensions.
        items, places = _items(np.ascontiguousarray(source, target.dtype)), _items(target)
        if self.origins is not None:
            np.take(items, self.origins, out=places, mode="clip")
        elif self.sources is None:
            places[self.positions] = items
        elif isinstance(self.positions, slice):
            np.take(items, self.sources, out=places[self.positions], mode="clip")
        else:
            places[self.positions] = np.take(items, self.sources, mode="clip")


class Stack:
    """Columns on their way into one array ``[n, k]``: put one by one, while they are hot, then transposed in blocks."""

    def __init__(
        self,
        target: AnyArray,
        places: Placement,
        num_rows: int,
        take: Callable[[int], npt.NDArray[np.uint8]],
    ) -> None:
        """`take(nbytes)` gives memory for `num_rows` rows of all columns, held until `finish`."""
        self._target = target
        self._places = places
        self._num_rows = num_rows
        stride = num_rows + _PAD
        shape = (target.shape[1], stride)
        memory = take(prod(shape) * target.dtype.itemsize)
        self._columns = memory.view(target.dtype).reshape(shape)[:, :num_rows]

    def put(self, index: int, column: AnyArray, places: Placement) -> None:
        """Copy column `index`; `places` are those of its rows, which may be among others."""
        rows = places.sources if places.origins is None else places.origins
        if rows is None:
            self._columns[index] = column
        else:
            column = np.ascontiguousarray(column, self._columns.dtype)
            np.take(column, rows, out=self._columns[index], mode="clip")

    def finish(self) -> None:
        """Transpose the columns into the rows' places."""
        positions = self._places.positions
        rows = self._target[positions] if isinstance(positions, slice) else self._target
        for start in range(0, self._num_rows, _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, self._num_rows)
            block = self._columns[:, start:stop].T
            if isinstance(positions, slice) or self._places.origins is not None:
                rows[start:stop] = block
            else:
                _items(rows)[positions[start:stop]] = _items(np.ascontiguousarray(block))


def placement(positions: npt.NDArray[np.int64] | None, rows: slice) -> Placement:
    """Return the places of `rows` of a window whose row i becomes row ``positions[i]`` (None: stays row i)."""
    if positions is None:
        return Placement(rows)
    if rows.stop - rows.start < len(positions):
        return Placement(positions[rows])
    origins = np.empty_like(positions)
    origins[positions] = np.arange(len(positions))
    return Placement(positions, origins)


def _items(rows: AnyArray) -> AnyArray:
    """View ``[n, *shape]`` as ``[n]`` items of one row each."""
    nbytes = rows.dtype.itemsize * prod(rows.shape[1:])
    return rows.reshape(len(rows), -1).view(_WORDS.get(nbytes, f"V{nbytes}")).reshape(len(rows))
