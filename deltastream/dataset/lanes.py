"""Owns how many lanes a dataset has, and whether a consumer can hold those that it reads."""

from __future__ import annotations

import warnings
from math import gcd

from deltastream.dataset.plan import BatchPlan
from deltastream.errors import MemoryBudgetError
from deltastream.plan import Consumer, Schedule, choose_lanes

__all__ = ["automatic_lanes", "check_lanes"]


def automatic_lanes(plan: BatchPlan, consumer: Consumer, budget: int) -> int:
    """Return what ``lanes="auto"`` means: the same for all consumers with `budget` bytes each."""
    return choose_lanes(
        num_consumers=consumer.num_consumers,
        num_rows=plan.num_rows,
        batch_size=plan.order.batch_size,
        shuffle=plan.order.shuffle,
        num_windows=plan.num_windows,
        window_nbytes=plan.window_nbytes,
        budget_nbytes=budget,
    )


def check_lanes(plan: BatchPlan, schedule: Schedule, lanes: int, budget: int) -> None:
    """Warn if the consumers share lanes.

    Raises:
        MemoryBudgetError: The windows that a consumer has open do not fit its budget.
    """
    consumers = schedule.consumer.num_consumers
    open_lanes = lanes // gcd(consumers, lanes)
    needed = open_lanes * plan.window_nbytes
    if plan.order.shuffle and needed > budget and plan.has_window_nbytes:
        raise MemoryBudgetError(
            f"{open_lanes} open lanes of {lanes}, with a shuffle window of {plan.window_nbytes} bytes each, "
            f"need {needed} bytes; the memory budget of this process is {budget}: raise memory_budget, or lower "
            "lanes, shuffle_rows or shuffle_nbytes (to go on from a state, memory_budget alone may change, or the "
            "number of ranks and workers, which share the lanes)"
        )
    factor = schedule.reading_factor(lanes)
    if factor > 1:
        good = [consumers * k for k in (1, 2, 3, 4, 6, 8)]
        warnings.warn(
            f"{consumers} consumers do not divide {lanes} lanes: each reads {factor} times what it delivers; "
            f"good numbers of lanes are {', '.join(map(str, good))}",
            stacklevel=4,
        )
