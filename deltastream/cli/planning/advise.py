"""Owns the warnings of a plan: what would cost time, memory or the run itself, and what to change. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from deltastream.cli.planning.model import Remark, RunPlan
from deltastream.cli.planning.read import TableFacts
from deltastream.cli.text import count, nbytes_text, time_text
from deltastream.options import DEFAULT_SHUFFLE_NBYTES

__all__ = ["advise"]

_TINY_NBYTES = 1 << 20
_TINY_ROWS = 16_384
"""A row group below both costs more to find, open and decode than its bytes do."""
_SKEW = 8
"""Times the median from which on the largest file is told."""
_HOUR_MS = 3_600_000


def advise(plan: RunPlan, facts: TableFacts, live_rows: npt.NDArray[np.int64]) -> RunPlan:
    """Return `plan` with its warnings."""
    remarks = [*_lanes(plan), *_memory(plan), *_row_groups(plan), *_skew(live_rows)]
    remarks += [*_vacuum(plan), *_counts(plan, facts)]
    return replace(plan, warnings=tuple(remarks))


def _lanes(plan: RunPlan) -> Iterator[Remark]:
    lanes, asked = plan.lanes, plan.asked
    consumers = asked.world_size * max(1, asked.workers)
    if plan.reading.factor > 1:
        good = ", ".join(map(str, lanes.good))
        yield Remark(
            "lanes",
            f"{count(consumers, 'consumer')} (ranks times workers) do not divide {lanes.lanes} lanes: each reads "
            f"{plan.reading.factor} times what it delivers; good numbers of lanes are {good}",
        )
    if not lanes.batches_per_lane and plan.epoch.rows:
        yield Remark(
            "lanes",
            f"{lanes.lanes} lanes have no batch of {asked.batch_size} rows each, so that all is read as the lane that "
            "all consumers share: lower lanes, batch_size or the number of consumers",
        )


def _memory(plan: RunPlan) -> Iterator[Remark]:
    memory = plan.memory
    if memory.needed_nbytes > memory.budget_nbytes:
        yield Remark(
            "memory",
            f"{plan.lanes.open_per_consumer} open lanes need {nbytes_text(memory.needed_nbytes)} and a process has "
            f"{nbytes_text(memory.budget_nbytes)}: the loader will refuse; raise memory_budget, or lower lanes",
        )
    if plan.row_groups.max_decoded_nbytes > memory.budget_nbytes:
        yield Remark(
            "memory",
            f"a row group decodes to {nbytes_text(plan.row_groups.max_decoded_nbytes)}, more than the "
            f"{nbytes_text(memory.budget_nbytes)} that a process has: it is read alone, beyond the budget",
        )


def _row_groups(plan: RunPlan) -> Iterator[Remark]:
    groups = plan.row_groups
    is_tiny = groups.median_decoded_nbytes < _TINY_NBYTES and groups.median_rows < _TINY_ROWS
    # One small file is no reason to complain.
    if is_tiny and plan.epoch.files * groups.per_file > 1:
        yield Remark(
            "row groups",
            f"tiny row groups: the median has {groups.median_rows:,} rows and decodes to "
            f"{nbytes_text(groups.median_decoded_nbytes)}, so that finding them costs more than reading them; compact "
            "the table (OPTIMIZE), with larger row groups",
        )
    if plan.asked.shuffle and groups.max_decoded_nbytes > DEFAULT_SHUFFLE_NBYTES:
        yield Remark(
            "row groups",
            f"huge row groups: one decodes to {nbytes_text(groups.max_decoded_nbytes)}, and a shuffle window holds "
            f"whole row groups, of {nbytes_text(DEFAULT_SHUFFLE_NBYTES)} together: windows are larger, and mix one",
        )


def _skew(live_rows: npt.NDArray[np.int64]) -> Iterator[Remark]:
    counted = live_rows[live_rows > 0]
    if len(counted) > 1:
        largest, median = int(counted.max()), int(np.median(counted))
        if largest >= _SKEW * median:
            yield Remark(
                "skew",
                f"the largest file has {largest:,} rows and the median {median:,}: ranks still take equal steps, but a "
                "block of files to be mixed may be that one file; compact the table",
            )


def _vacuum(plan: RunPlan) -> Iterator[Remark]:
    vacuum = plan.vacuum
    now_ms = int(time.time() * 1000)
    hours = plan.asked.run_hours
    if vacuum.safe_until_ms >= now_ms + hours * _HOUR_MS:
        return
    if vacuum.removed_files:
        when = (
            "may be gone already"
            if vacuum.safe_until_ms <= now_ms
            else f"may be deleted from {time_text(vacuum.safe_until_ms)} on"
        )
        yield Remark(
            "vacuum",
            f"{count(vacuum.removed_files, 'file')} of this version were removed since, and {when}, within the "
            f"{hours:g} hours of the run, by VACUUM: read the latest version, or set "
            "delta.deletedFileRetentionDuration to more",
        )
    else:
        yield Remark(
            "vacuum",
            f"a file that a writer replaces may be deleted {vacuum.retention_ms / _HOUR_MS:g} hours later, within the "
            f"{hours:g} hours of the run: set delta.deletedFileRetentionDuration to more, or do not VACUUM meanwhile",
        )


def _counts(plan: RunPlan, facts: TableFacts) -> Iterator[Remark]:
    row_filter = facts.found.row_filter
    if row_filter is not None:
        yield Remark(
            "filter",
            f"partition values and statistics leave {count(int(row_filter.undecided.sum()), 'file')} open: the loader "
            "reads the filter's columns of them when it is made; all their rows are counted here",
        )
    uncounted = facts.found.snapshot.files["num_records"].null_count
    if uncounted:
        yield Remark(
            "rows",
            f"the log has no row count of {count(uncounted, 'file')}: the loader reads their footers when it is made",
        )
    for file in facts.unreadable[:1]:
        yield Remark(
            "footers",
            f"{count(len(facts.unreadable), 'footer')} could not be read, the first: {file.error}",
        )
