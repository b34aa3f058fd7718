"""Owns `RunPlan`: what an epoch takes on so many ranks and workers. Its field names are the keys of the document."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Asked",
    "Epoch",
    "Lanes",
    "Memory",
    "Reading",
    "Remark",
    "RowGroupFacts",
    "RunPlan",
    "Vacuum",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """How the table is to be read: the loader's arguments of these names, and how long."""

    world_size: int
    workers: int
    batch_size: int
    shuffle: bool
    drop_last: bool
    pad: bool
    lanes: int | None
    """None: "auto"."""
    seed: int
    columns: tuple[str, ...] | None
    """None: all."""
    filter: str | None
    memory_budget: int
    run_hours: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch; every rank takes as many steps, but for ``pad=False``, where the first ranks may take one more."""

    rows: int
    """Live rows after the filter."""
    are_rows_exact: bool
    """False: some files' rows are counted only when the loader is made; then everything below is an estimate."""
    files: int
    microbatches: int
    """Of all ranks together."""
    steps_per_rank: int
    rows_per_rank: int
    """That a rank delivers, the first where they differ; repeated ones among them."""
    repeated_rows: int
    """That padding repeats, on all ranks together."""
    dropped_rows: int
    """That `drop_last` leaves out, on all ranks together."""


@dataclass(frozen=True, slots=True)
class RowGroupFacts:
    """What the footers that were read say of the wanted columns."""

    footers_read: int
    unreadable: int
    per_file: float
    """Row groups of a file, on average."""
    median_rows: int
    median_decoded_nbytes: int
    max_decoded_nbytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """About what a rank reads in an epoch."""

    nbytes_per_rank: int
    """Column chunks as they are stored."""
    requests_per_rank: int
    """Ranges of a store that are asked for, footers among them; a local file is mapped instead."""
    decoded_nbytes_per_rank: int
    factor: int
    """How many times what it delivers a consumer reads: 1 where ranks times workers divides the lanes."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The streams that the rows are divided into."""

    lanes: int
    is_auto: bool
    batches_per_lane: int
    open_per_consumer: int
    good: tuple[int, ...]
    """Numbers that ranks times workers divides, and whose windows fit the budget."""


@dataclass(frozen=True, slots=True)
class Memory:
    """About what one process that reads holds: a worker, or the rank itself where it has none."""

    budget_nbytes: int
    window_nbytes: int
    """A full shuffle window."""
    needed_nbytes: int
    """The windows that are open at once; more than the budget is refused."""
    peak_nbytes: int
    """Read ahead fills the budget as far as there is data."""
    peak_nbytes_per_rank: int
    """Of all workers of a rank, with the batches that wait on their way."""


@dataclass(frozen=True, slots=True)
class Vacuum:
    """How long this version's files are safe from a writer's VACUUM."""

    retention_ms: int
    """``delta.deletedFileRetentionDuration``, a week where it is not set."""
    removed_files: int
    """Files of this version that a later one no longer has."""
    safe_until_ms: int
    """The first of them may go then; where there is none, if a writer replaced one right now."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to look at before the run."""

    kind: str
    """``lanes``, ``memory``, ``row groups``, ``skew``, ``vacuum``, ``rows``, ``filter`` or ``footers``."""
    message: str


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run will take."""

    table_uri: str
    version: int
    table_id: str
    asked: Asked
    epoch: Epoch
    row_groups: RowGroupFacts
    reading: Reading
    lanes: Lanes
    memory: Memory
    vacuum: Vacuum
    warnings: tuple[Remark, ...]
