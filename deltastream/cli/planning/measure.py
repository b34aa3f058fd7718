"""Owns the way from what was read to a `RunPlan`. Pure."""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pt

from deltastream.cli.planning.advise import advise
from deltastream.cli.planning.model import (
    Asked,
    Epoch,
    Lanes,
    Memory,
    Reading,
    RowGroupFacts,
    RunPlan,
    Vacuum,
)
from deltastream.cli.planning.read import TableFacts
from deltastream.options import OrderOptions
from deltastream.plan import Consumer, Schedule, choose_lanes, window_sizes

__all__ = ["measure_plan"]

_GOOD_FACTORS = (1, 2, 3, 4, 6, 8)
_WAITING_BATCHES = 2
"""Batches of each worker on their way to the rank: a DataLoader's `prefetch_factor`."""


def measure_plan(facts: TableFacts, asked: Asked) -> RunPlan:
    """Compute what an epoch takes.

    Raises:
        OptionError: The batches are too few for the ranks.
    """
    snapshot = facts.found.snapshot
    live_rows, is_exact = _live_rows(facts)
    num_rows = int(live_rows.sum())
    options = OrderOptions(asked.batch_size, asked.shuffle, asked.seed, asked.drop_last)
    consumer = Consumer(asked.world_size, 0, max(1, asked.workers), 0)
    num_microbatches = options.num_microbatches(num_rows)
    schedule = Schedule(num_microbatches, 0, consumer, asked.pad, asked.drop_last)
    groups = _RowGroups(facts)
    row_nbytes = _fixed_row_nbytes(facts.found.schema) or groups.decoded_nbytes_per_row
    num_windows, window_nbytes = window_sizes(
        num_rows=num_rows, row_nbytes=row_nbytes, options=options
    )
    budget = max(1, asked.memory_budget // consumer.num_workers)
    num_lanes = asked.lanes or choose_lanes(
        num_consumers=consumer.num_consumers,
        num_rows=num_rows,
        batch_size=asked.batch_size,
        shuffle=asked.shuffle,
        num_windows=num_windows,
        window_nbytes=window_nbytes,
        budget_nbytes=budget,
    )
    lanes = _lanes(asked, consumer, num_lanes, num_rows, window_nbytes, budget)
    reading = _reading(
        facts,
        groups,
        schedule,
        # Without a batch in each lane all is read as one, the shared last one.
        num_lanes if lanes.batches_per_lane else 1,
        num_rows if num_microbatches else 0,
        asked.batch_size,
        shuffle=asked.shuffle,
    )
    plan = RunPlan(
        table_uri=snapshot.table_uri,
        version=snapshot.version,
        table_id=snapshot.table_id,
        asked=asked,
        epoch=_epoch(schedule, asked, num_rows, is_exact, len(live_rows)),
        row_groups=groups.facts,
        reading=reading,
        lanes=lanes,
        memory=_memory(asked, consumer, lanes, window_nbytes, budget, reading, row_nbytes),
        vacuum=Vacuum(
            facts.removals.retention_ms,
            facts.removals.num_files,
            facts.removals.oldest_ms + facts.removals.retention_ms,
        ),
        warnings=(),
    )
    return advise(plan, facts, live_rows)


def _live_rows(facts: TableFacts) -> tuple[npt.NDArray[np.int64], bool]:
    """Return the live rows of each file, and whether the loader will count the same."""
    files = facts.found.snapshot.files
    counts = files["num_records"].fill_null(-1).to_numpy().astype(np.int64)
    for footer in facts.footers:
        counts[footer.file] = footer.num_rows.sum()
    unknown = counts < 0
    if unknown.any():
        counts[unknown] = int(np.median(counts[~unknown])) if (~unknown).any() else 0
    deleted = pa.compute.struct_field(files["deletion_vector"], "cardinality").fill_null(0)
    live = np.maximum(counts - deleted.to_numpy().astype(np.int64), 0)
    is_exact = not unknown.any() and facts.found.row_filter is None
    return live, is_exact


class _RowGroups:
    """What the footers that were read say, taken for all."""

    def __init__(self, facts: TableFacts) -> None:
        def joined(name: str) -> npt.NDArray[np.int64]:
            parts = [getattr(footer, name) for footer in facts.footers]
            return np.concatenate([np.zeros(0, np.int64), *parts])

        rows, decoded = joined("num_rows"), joined("decoded_nbytes")
        num_files, num_groups = max(1, len(facts.footers)), max(1, len(rows))
        self.per_file = len(rows) / num_files
        self.stored_nbytes = joined("stored_nbytes").sum() / num_groups
        self.num_requests = joined("num_requests").sum() / num_groups
        self.decoded_nbytes_per_row = -(-int(decoded.sum()) // max(1, int(rows.sum())))
        self.facts = RowGroupFacts(
            footers_read=len(facts.footers),
            unreadable=len(facts.unreadable),
            per_file=round(self.per_file, 2),
            median_rows=int(np.median(rows)) if len(rows) else 0,
            median_decoded_nbytes=int(np.median(decoded)) if len(rows) else 0,
            max_decoded_nbytes=int(decoded.max(initial=0)),
        )


def _fixed_row_nbytes(schema: pa.Schema) -> int | None:
    """Return the bytes of a row's tensors, or None where they vary."""
    if not all(pt.is_primitive(type_) for type_ in schema.types):
        return None
    return sum(max(8, int(type_.bit_width)) // 8 for type_ in schema.types)


def _epoch(
    schedule: Schedule, asked: Asked, num_rows: int, is_exact: bool, num_files: int
) -> Epoch:
    steps = schedule.num_steps
    delivered = steps * asked.world_size * asked.batch_size
    rows_of_first = steps * asked.batch_size
    is_last_of_first = schedule.num_microbatches % asked.world_size == 1 % asked.world_size
    if is_last_of_first and not asked.pad and not asked.drop_last:
        rows_of_first -= schedule.num_microbatches * asked.batch_size - num_rows
    return Epoch(
        rows=num_rows,
        are_rows_exact=is_exact,
        files=num_files,
        microbatches=schedule.num_microbatches,
        steps_per_rank=steps,
        rows_per_rank=rows_of_first,
        repeated_rows=delivered - num_rows if asked.pad and not asked.drop_last else 0,
        dropped_rows=num_rows - delivered if asked.drop_last else 0,
    )


def _lanes(
    asked: Asked, consumer: Consumer, lanes: int, num_rows: int, window_nbytes: int, budget: int
) -> Lanes:
    consumers = consumer.num_consumers
    batches_per_lane = num_rows // (lanes * asked.batch_size)
    fitting = [
        consumers * k
        for k in _GOOD_FACTORS
        if k == 1
        or (
            num_rows // (consumers * k * asked.batch_size) > 0
            and (not asked.shuffle or k * window_nbytes <= budget)
        )
    ]
    return Lanes(
        lanes=lanes,
        is_auto=asked.lanes is None,
        batches_per_lane=batches_per_lane,
        open_per_consumer=lanes // gcd(consumers, lanes) if batches_per_lane else 1,
        good=tuple(fitting),
    )


def _reading(
    facts: TableFacts,
    groups: _RowGroups,
    schedule: Schedule,
    lanes: int,
    num_rows: int,
    batch_size: int,
    *,
    shuffle: bool,
) -> Reading:
    world_size = schedule.consumer.world_size
    factor = schedule.reading_factor(lanes)
    num_files = facts.found.snapshot.files.num_rows if num_rows else 0
    # Both sides read the row group that a lane's end cuts; the last lane's end may be the epoch's.
    num_cuts = lanes - (num_rows % (lanes * batch_size) == 0) if num_rows else 0
    if lanes == 1 and not shuffle:
        num_cuts = 0
    num_groups = num_files * groups.per_file + num_cuts
    # One that reads both sides has kept the footer.
    num_footers = num_files + (num_cuts if schedule.consumer.num_consumers > 1 else 0)
    # A consumer's every lane is read by as many consumers as the factor says.
    share = factor / world_size
    return Reading(
        nbytes_per_rank=round(num_groups * groups.stored_nbytes * share),
        requests_per_rank=round((num_groups * groups.num_requests + num_footers) * share),
        decoded_nbytes_per_rank=round(num_rows * groups.decoded_nbytes_per_row * share),
        factor=factor,
    )


def _memory(
    asked: Asked,
    consumer: Consumer,
    lanes: Lanes,
    window_nbytes: int,
    budget: int,
    reading: Reading,
    row_nbytes: int,
) -> Memory:
    needed = lanes.open_per_consumer * window_nbytes if asked.shuffle else 0
    peak = min(budget, reading.decoded_nbytes_per_rank // consumer.num_workers)
    waiting = asked.workers * (_WAITING_BATCHES + 1) * asked.batch_size * row_nbytes
    return Memory(
        budget_nbytes=budget,
        window_nbytes=window_nbytes,
        needed_nbytes=needed,
        peak_nbytes=peak,
        peak_nbytes_per_rank=peak * consumer.num_workers + waiting,
    )
