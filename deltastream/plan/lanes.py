"""Owns the choice of the number of lanes."""

from __future__ import annotations

from deltastream.options import (
    LANES_PER_CONSUMER,
    MIN_LANE_BATCHES,
    MIN_LANE_WINDOWS,
    OrderOptions,
)

__all__ = ["choose_lanes", "window_sizes"]


def window_sizes(*, num_rows: int, row_nbytes: int, options: OrderOptions) -> tuple[int, int]:
    """Return about how many full shuffle windows `num_rows` rows make, and about how many bytes one has."""
    by_nbytes = -(-row_nbytes * num_rows // options.shuffle_nbytes)
    num_windows = max(by_nbytes, -(-num_rows // options.shuffle_rows))
    window_nbytes = min(row_nbytes * min(num_rows, options.shuffle_rows), options.shuffle_nbytes)
    return num_windows, window_nbytes


def choose_lanes(
    *,
    num_consumers: int,
    num_rows: int,
    batch_size: int,
    shuffle: bool,
    num_windows: int,
    window_nbytes: int,
    budget_nbytes: int,
) -> int:
    """Return the number of lanes that ``lanes="auto"`` means.

    Without shuffle one a consumer, so that a single one reads in file order. With shuffle the multiple of
    `num_consumers` with the most divisors, so that most other topologies can share it evenly: at most 8 lanes a
    consumer, whose windows (`window_nbytes` each; for every lane one open and one read ahead, and one to decode in) fit
    `budget_nbytes`, the budget of one consumer, and which hold at least 16 batches and 16 of the table's `num_windows`
    windows each.
    """
    if not shuffle:
        return num_consumers
    candidates = [
        num_consumers * k
        for k in range(1, LANES_PER_CONSUMER + 1)
        if k == 1
        or (
            (2 * k + 1) * window_nbytes <= budget_nbytes
            and num_rows // (num_consumers * k * batch_size) >= MIN_LANE_BATCHES
            and num_windows // (num_consumers * k) >= MIN_LANE_WINDOWS
        )
    ]
    return max(candidates, key=lambda lanes: (_num_divisors(lanes), -lanes))


def _num_divisors(number: int) -> int:
    return sum(1 for d in range(1, number + 1) if number % d == 0)
