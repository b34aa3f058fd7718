"""Owns the choice of byte ranges to ask for: few, and not much longer than what is wanted."""

from __future__ import annotations

from collections.abc import Iterable

from deltastream.types import ByteRange

__all__ = ["coalesce"]


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
