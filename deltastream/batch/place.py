"""Owns the one copy of a row: from decoded columns to its place in a window."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from deltastream.batch.convert import AnyArray

__all__ = ["copy_rows", "copy_stacked"]

_BLOCK_ROWS = 8192
"""Rows transposed at a time: 32 columns of 4 bytes are 1 MiB, an L2 cache (32 ns a row; 78 without blocks)."""

_PAD = 16
"""Values between the columns of the transposing block: at a power of two apart they would share one cache set."""

_WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}


def copy_rows(
    target: AnyArray, source: AnyArray, positions: npt.NDArray[np.int64] | slice
) -> None:
    """Write row i of `source` ``[n, *shape]`` to row ``positions[i]`` of `target` ``[m, *shape]``."""
    if isinstance(positions, slice) or target.dtype == np.object_:
        target[positions] = source
    else:
        # A row as one opaque item: a memory copy each, several times as fast as fancy indexing of two dimensions.
        _items(target)[positions] = _items(np.ascontiguousarray(source, target.dtype))


def copy_stacked(
    target: AnyArray, columns: Sequence[AnyArray], positions: npt.NDArray[np.int64] | slice
) -> None:
    """Write row i of `columns`, k arrays ``[n]``, to row ``positions[i]`` of `target` ``[m, k]``."""
    num_rows = len(columns[0])
    block_rows = min(_BLOCK_ROWS, num_rows)
    block = np.empty((len(columns), block_rows + _PAD), target.dtype)
    if isinstance(positions, slice):
        rows = target[positions]
        for start in range(0, num_rows, block_rows):
            _fill(block, columns, start)
            part = rows[start : start + block_rows]
            part[:] = block[:, : len(part)].T
        return
    rows = np.empty((block_rows, len(columns)), target.dtype)
    for start in range(0, num_rows, block_rows):
        _fill(block, columns, start)
        part = rows[: min(block_rows, num_rows - start)]
        part[:] = block[:, : len(part)].T
        _items(target)[positions[start : start + len(part)]] = _items(part)


def _fill(block: AnyArray, columns: Sequence[AnyArray], start: int) -> None:
    stop = start + block.shape[1] - _PAD
    for row, column in zip(block, columns, strict=True):
        part = column[start:stop]
        row[: len(part)] = part


def _items(rows: AnyArray) -> AnyArray:
    """View ``[n, *shape]`` as ``[n]`` items of one row each."""
    nbytes = rows.dtype.itemsize * prod(rows.shape[1:])
    return rows.reshape(len(rows), -1).view(_WORDS.get(nbytes, f"V{nbytes}")).reshape(len(rows))
