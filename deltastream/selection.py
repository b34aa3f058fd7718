"""Owns row selections: which rows of one file live, whatever it is that dropped the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

__all__ = ["RowSelection"]


@dataclass(frozen=True, slots=True)
class RowSelection:
    """The rows of one file that do not live, by their index in the file; all others do.

    A deletion vector is one, and so is what a filter drops: what both leave is their `union`. It takes the memory of
    its bitmap, never that of an array over the rows of the file.
    """

    dropped: BitMap64

    @property
    def num_dropped(self) -> int:
        return len(self.dropped)

    def union(self, other: RowSelection) -> RowSelection:
        """Return the selection that drops what either drops."""
        return RowSelection(self.dropped | other.dropped)

    def live_counts(self, num_rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many rows live in each of the row groups, of `num_rows` rows each, that make up the file."""
        stops = np.cumsum(num_rows).tolist()
        dropped = [
            self.dropped.range_cardinality(stop - rows, stop)
            for rows, stop in zip(num_rows.tolist(), stops, strict=True)
        ]
        return num_rows - np.array(dropped, np.int64)

    def live_rows(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return which of the rows ``[start, stop)`` of the file live, counted from `start`, ascending."""
        live = np.ones(stop - start, np.bool_)
        live[self._dropped_rows(start, stop)] = False
        return np.flatnonzero(live)

    def _dropped_rows(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        inside = self.dropped & BitMap64(range(start, stop))
        # `to_array` of an empty bitmap has no memory to view.
        rows = np.frombuffer(inside.to_array(), np.uint64) if inside else np.empty(0, np.uint64)
        return rows.astype(np.int64) - start
