"""Owns the one copy of a row: from decoded columns to its place in a window."""

from __future__ import annotations

from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from deltastream.batch.allocate import AnyArray
from deltastream.batch.rows import RowNumbers

__all__ = ["Placement", "placement"]

_WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}


class Placement:
    """Where rows go: row i to row ``positions[i]`` of the window (or, as a slice, one after the other).

    A column may come whole, with rows that are dropped (see `DecodeColumns`): the copy that is made anyway leaves them
    out.
    """

    def __init__(
        self,
        positions: npt.NDArray[np.int64] | slice,
        num_rows: int,
        numbers: RowNumbers,
        origins: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """`numbers`: which rows of a whole column they are, ascending.

        `origins` is the inverse of `positions`, where the rows are all of the window: gathering is a fifth faster than
        scattering.
        """
        self.positions = positions
        self.num_rows = num_rows
        self._numbers = numbers
        self._origins = origins

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Which rows of a whole column are meant."""
        return np.asarray(self._numbers, np.int64)

    @cached_property
    def _origins_in_whole(self) -> npt.NDArray[np.int64]:
        assert self._origins is not None
        return self.numbers[self._origins]

    def part(self, start: int, stop: int, *, of_whole: bool) -> Placement:
        """Return the places of those rows that are among rows ``[start, stop)``, of a whole column if `of_whole`."""
        numbers: RowNumbers = range(stop - start)
        if of_whole:
            first, last = np.searchsorted(self.numbers, (start, stop)).tolist()
            numbers = self.numbers[first:last] - start
        else:
            first, last = start, stop
        if isinstance(self.positions, slice):
            begin = self.positions.start
            return Placement(slice(begin + first, begin + last), last - first, numbers)
        return Placement(self.positions[first:last], last - first, numbers)

    def copy_rows(self, target: AnyArray, source: AnyArray) -> None:
        """Copy the rows from `source` ``[n, *shape]`` to their places in `target` ``[m, *shape]``."""
        is_whole = len(source) != self.num_rows
        in_order = isinstance(self.positions, slice)
        if target.dtype == np.object_ or (in_order and not is_whole):
            target[self.positions] = source
            return
        # A row as one opaque item: a memory copy each, several times as fast as fancy indexing of two dimensions.
        items, places = _items(np.ascontiguousarray(source, target.dtype)), _items(target)
        if self._origins is not None:
            origins = self._origins_in_whole if is_whole else self._origins
            np.take(items, origins, out=places, mode="clip")
        elif in_order:
            np.take(items, self.numbers, out=places[self.positions], mode="clip")
        else:
            places[self.positions] = (
                np.take(items, self.numbers, mode="clip") if is_whole else items
            )


def placement(
    positions: npt.NDArray[np.int64] | None, rows: slice, numbers: RowNumbers
) -> Placement:
    """Return the places of `rows` of a window whose row i becomes row ``positions[i]`` (None: stays row i)."""
    num_rows = rows.stop - rows.start
    if positions is None:
        return Placement(rows, num_rows, numbers)
    if num_rows < len(positions):
        return Placement(positions[rows], num_rows, numbers)
    origins = np.empty_like(positions)
    origins[positions] = np.arange(len(positions))
    return Placement(positions, num_rows, numbers, origins)


def _items(rows: AnyArray) -> AnyArray:
    """View ``[n, *shape]`` as ``[n]`` items of one row each."""
    if rows.ndim == 1 and rows.dtype.itemsize in _WORDS:
        return rows
    nbytes = rows.dtype.itemsize * prod(rows.shape[1:])
    return rows.reshape(len(rows), -1).view(_WORDS.get(nbytes, f"V{nbytes}")).reshape(len(rows))
