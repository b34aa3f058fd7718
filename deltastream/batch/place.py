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

    def gathered(self, *, from_whole: bool) -> npt.NDArray[np.int64] | None:
        """Return which rows of a column, a whole one if `from_whole`, are taken, in `order`; None: as they are."""
        if self._origins is not None:
            return self._origins_in_whole if from_whole else self._origins
        return self.numbers if from_whole else None

    @property
    def is_gathered(self) -> bool:
        """Whether rows are taken in the window's order; else they are put at their places in the column's."""
        return self._origins is not None

    @property
    def order(self) -> npt.NDArray[np.int64] | slice:
        """The rows of the window to which those that are `gathered` go, one by one."""
        return self.positions if self._origins is None else slice(0, self.num_rows)

    def copy_rows(self, target: AnyArray, source: AnyArray) -> None:
        """Copy the rows from `source` ``[n, *shape]`` to their places in `target` ``[m, *shape]``."""
        gathered = self.gathered(from_whole=len(source) != self.num_rows)
        order = self.order
        if target.dtype == np.object_ or (gathered is None and isinstance(order, slice)):
            target[self.positions] = source
            return
        # A row as one opaque item: a memory copy each, several times as fast as fancy indexing of two dimensions.
        items, places = _items(np.ascontiguousarray(source, target.dtype)), _items(target)
        if gathered is not None and isinstance(order, slice):
            np.take(items, gathered, out=places[order], mode="clip")
        else:
            places[order] = items if gathered is None else np.take(items, gathered, mode="clip")

    def copy_block(
        self, target: AnyArray, source: AnyArray, start: int, *, from_whole: bool
    ) -> None:
        """Copy rows that were `gathered`, or of whole columns, from row `start` on, to their places in `target`."""
        items, places, stop = _items(source), _items(target), start + len(source)
        if not from_whole:
            assert not isinstance(self.order, slice)
            places[self.order[start:stop]] = items
            return
        first, last = np.searchsorted(self.numbers, (start, stop))
        live = self.numbers[first:last] - start
        order = self.order
        if isinstance(order, slice):
            np.take(items, live, out=places[order][first:last], mode="clip")
        else:
            places[order[first:last]] = np.take(items, live, mode="clip")


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
