"""Owns the text of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from deltastream.cli.planning.model import RunPlan
from deltastream.cli.sections import Row, Section, print_sections
from deltastream.cli.text import count, nbytes_text, time_text

__all__ = ["render_plan"]

_DAY_MS = 86_400_000


def render_plan(plan: RunPlan, out: TextIO) -> None:
    """Print a plan to `out`."""
    print_sections(_sections(plan), out)


def _sections(plan: RunPlan) -> Iterator[Section]:
    asked = plan.asked
    yield f"{plan.table_uri}, version {plan.version}", list(_asked(plan))
    yield "Epoch", list(_epoch(plan))
    yield f"Each of {count(asked.world_size, 'rank')}, an epoch", list(_reading(plan))
    yield "Lanes", list(_lanes(plan))
    yield "Memory of a process that reads", list(_memory(plan))
    yield "Vacuum", list(_vacuum(plan))
    if plan.warnings:
        yield "Warnings", [(remark.kind, remark.message) for remark in plan.warnings]


def _asked(plan: RunPlan) -> Iterator[Row]:
    asked = plan.asked
    yield "ranks", f"{asked.world_size:,}"
    yield (
        "workers of each",
        f"{asked.workers:,}" if asked.workers else "none: the rank reads itself",
    )
    yield "batch size", f"{asked.batch_size:,}"
    yield "order", f"shuffled, seed {asked.seed}" if asked.shuffle else "that of the files"
    if asked.columns is not None:
        yield "columns", ", ".join(asked.columns)
    if asked.filter is not None:
        yield "filter", asked.filter


def _epoch(plan: RunPlan) -> Iterator[Row]:
    epoch = plan.epoch
    yield "rows", f"{'' if epoch.are_rows_exact else 'about '}{epoch.rows:,}"
    yield "files", f"{epoch.files:,}"
    yield "batches", f"{epoch.microbatches:,}"
    if epoch.repeated_rows:
        yield "padding", f"{count(epoch.repeated_rows, 'row')} repeated at the end"
    if epoch.dropped_rows:
        yield "left out", f"{count(epoch.dropped_rows, 'row')} at the end"


def _reading(plan: RunPlan) -> Iterator[Row]:
    epoch, reading, groups = plan.epoch, plan.reading, plan.row_groups
    is_uneven = not plan.asked.pad and not plan.asked.drop_last and plan.asked.world_size > 1
    yield "steps", f"{epoch.steps_per_rank:,}{', or one less' if is_uneven else ''}"
    yield "rows", f"{epoch.rows_per_rank:,}"
    yield "reads", f"about {nbytes_text(reading.nbytes_per_rank)}"
    yield "decodes", f"about {nbytes_text(reading.decoded_nbytes_per_rank)}"
    yield "requests", f"about {reading.requests_per_rank:,} of a store"
    if reading.factor > 1:
        yield "reads again", f"{reading.factor} times what it delivers"
    yield (
        "row groups",
        f"{groups.median_rows:,} rows, {nbytes_text(groups.median_decoded_nbytes)} (median)",
    )
    yield "footers read for this", f"{groups.footers_read:,} of {epoch.files:,}"


def _lanes(plan: RunPlan) -> Iterator[Row]:
    lanes = plan.lanes
    yield "lanes", f"{lanes.lanes:,}{' (auto)' if lanes.is_auto else ''}"
    yield "batches in each", f"{lanes.batches_per_lane:,}"
    yield "open at once", f"{lanes.open_per_consumer:,} in a process"
    yield "good numbers", ", ".join(map(str, lanes.good))


def _memory(plan: RunPlan) -> Iterator[Row]:
    memory = plan.memory
    yield "budget", nbytes_text(memory.budget_nbytes)
    if plan.asked.shuffle:
        yield "shuffle window", f"about {nbytes_text(memory.window_nbytes)}"
        yield "open windows", f"about {nbytes_text(memory.needed_nbytes)}"
    yield "peak", f"{nbytes_text(memory.peak_nbytes)} over the imports, at most"
    if plan.asked.workers:
        yield (
            "peak of a rank",
            f"{nbytes_text(memory.peak_nbytes_per_rank)} in all its workers",
        )


def _vacuum(plan: RunPlan) -> Iterator[Row]:
    vacuum = plan.vacuum
    yield "removed files are kept", f"{vacuum.retention_ms / _DAY_MS:g} days"
    if vacuum.removed_files:
        yield (
            "removed since",
            count(vacuum.removed_files, "file of this version", "files of this version"),
        )
        yield "safe until", time_text(vacuum.safe_until_ms)
