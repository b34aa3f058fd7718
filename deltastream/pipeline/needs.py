"""Owns what a consumer will need: rows of lanes, in the order of its steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from deltastream.plan import EpochOrder, LaneSpan, Schedule

__all__ = ["Need", "consumer_needs"]

Need = Iterator[tuple[Hashable, LaneSpan]]
"""The key of a lane as this consumer reads it, and the rows of one step."""


def consumer_needs(order: EpochOrder, schedule: Schedule) -> Need:
    """Yield the rows of each step that the consumer serves.

    A lane's key is its number; a microbatch that is repeated to make ranks even lies behind rows that may have been
    passed, so it is read as a lane of its own.
    """
    for step in schedule.steps():
        number, repeated = schedule.microbatch(step)
        span = order.microbatch(number)
        yield (span.lane, repeated), span
