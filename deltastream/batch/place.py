"""Owns the one copy of a row: from decoded columns to its place in a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from deltastream.batch.allocate import AnyArray

__all__ = ["Placement", "placement"]

_BLOCK_ROWS = 8192
"""Rows transposed at a time: 32 columns of 4 bytes are 1 MiB, an L2 cache (32 ns a row; 78 without blocks)."""

_PAD = 16
"""Values between the columns of the transposing block: at a power of two apart they would share one cache set."""

_WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where rows go: row i to row ``positions[i]`` of the window (or, as a slice, one after the other)."""

    positions: npt.NDArray[np.int64] | slice
    origins: npt.NDArray[np.int64] | None = None
    """The inverse, where the rows are all of the window: gathering is a fifth faster than scattering."""

    def copy_rows(self, target: AnyArray, source: AnyArray) -> None:
        """Copy rows of `source` ``[n, *shape]`` to their places in `target` ``[m, *shape]``."""
        if isinstance(self.positions, slice) or target.dtype == np.object_:
            target[self.positions] = source
            return
        # A row as one opaque item: a memory copy each, several times as fast as fancy indexing of two dimensions.
        items, places = _items(np.ascontiguousarray(source, target.dtype)), _items(target)
        if self.origins is not None:
            np.take(items, self.origins, out=places, mode="clip")
        else:
            places[self.positions] = items

    def copy_stacked(self, target: AnyArray, columns: Sequence[AnyArray]) -> None:
        """Copy row i of `columns`, k arrays ``[n]``, to its place in `target` ``[m, k]``."""
        num_rows = len(columns[0])
        block_rows = max(1, min(_BLOCK_ROWS, num_rows))
        block = np.empty((len(columns), block_rows + _PAD), target.dtype)
        rows = (
            target[self.positions]
            if isinstance(self.positions, slice)
            else np.empty((block_rows, len(columns)), target.dtype)
        )
        for start in range(0, num_rows, block_rows):
            stop = min(start + block_rows, num_rows)
            _fill(block, columns, start)
            if isinstance(self.positions, slice):
                rows[start:stop] = block[:, : stop - start].T
            else:
                part = rows[: stop - start]
                part[:] = block[:, : stop - start].T
                _items(target)[self.positions[start:stop]] = _items(part)


def placement(positions: npt.NDArray[np.int64] | None, rows: slice) -> Placement:
    """Return the places of `rows` of a window whose row i becomes row ``positions[i]`` (None: stays row i)."""
    if positions is None:
        return Placement(rows)
    if rows.stop - rows.start < len(positions):
        return Placement(positions[rows])
    origins = np.empty_like(positions)
    origins[positions] = np.arange(len(positions))
    return Placement(positions, origins)


def _fill(block: AnyArray, columns: Sequence[AnyArray], start: int) -> None:
    stop = start + block.shape[1] - _PAD
    for row, column in zip(block, columns, strict=True):
        part = column[start:stop]
        row[: len(part)] = part


def _items(rows: AnyArray) -> AnyArray:
    """View ``[n, *shape]`` as ``[n]`` items of one row each."""
    nbytes = rows.dtype.itemsize * prod(rows.shape[1:])
    return rows.reshape(len(rows), -1).view(_WORDS.get(nbytes, f"V{nbytes}")).reshape(len(rows))
