"""Owns the choice of byte ranges to ask for: few, and not much longer than what is wanted."""

from __future__ import annotations

from collections.abc import Iterable

from deltastream.options import MAX_GAP_NBYTES, REQUEST_NBYTES
from deltastream.types import ByteRange

__all__ = ["coalesce", "few_ranges"]


def coalesce(
    wanted: Iterable[ByteRange], *, max_gap_nbytes: int, max_nbytes: int
) -> list[ByteRange]:
    """Return ranges, by start, such that each wanted one lies inside one of them.

    Two that are at most `max_gap_nbytes` apart become one, unless that would be longer than `max_nbytes`; what is
    wanted is never divided.
    """
    found: list[ByteRange] = []
    for part in sorted(wanted):
        if found:
            last = found[-1]
            stop = max(last.stop, part.stop)
            is_inside = stop == last.stop
            is_near = part.start - last.stop <= max_gap_nbytes
            if is_inside or (is_near and stop - last.start <= max_nbytes):
                found[-1] = ByteRange(last.start, stop)
                continue
        found.append(part)
    return found


def few_ranges(wanted: Iterable[ByteRange], *, max_nbytes: int = REQUEST_NBYTES) -> list[ByteRange]:
    """Return the ranges to ask for, by start: a small gap is read with what lies around it, a long range is divided."""
    near = coalesce(wanted, max_gap_nbytes=MAX_GAP_NBYTES, max_nbytes=max_nbytes)
    return [part for one in near for part in one.divide(max_nbytes)]
