"""Owns what a consumer will need: rows of lanes, in the order of its steps."""

from __future__ import annotations

from collections.abc import Iterator

from deltastream.plan import EpochOrder, LaneSpan, Schedule

__all__ = ["LaneKey", "Needs", "consumer_needs"]

LaneKey = tuple[int, bool]
"""A lane as one consumer reads it. A microbatch that is repeated to make ranks even lies behind rows that may have been
passed, so it is read as a lane of its own: then the second item is True."""

Needs = Iterator[tuple[LaneKey, LaneSpan]]


def consumer_needs(order: EpochOrder, schedule: Schedule, *, num_taken: int = 0) -> Needs:
    """Yield the rows of each step that the consumer serves, but for the first `num_taken`."""
    batch_size, num_lanes = order.options.batch_size, order.num_lanes
    in_lanes = order.lane_batches * num_lanes
    keys = [(lane, False) for lane in range(num_lanes)]
    for step in schedule.steps(num_taken):
        number, repeated = schedule.microbatch(step)
        if number < in_lanes and not repeated:
            # What `order.microbatch` does, without its calls: this runs twice for every batch.
            lane = number % num_lanes
            first = number // num_lanes * batch_size
            yield keys[lane], LaneSpan(lane, first, first + batch_size)
        else:
            span = order.microbatch(number)
            yield (span.lane, repeated), span
