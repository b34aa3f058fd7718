"""Owns planning's first half: which rows are read, from the log and the counts, once, in the parent, without torch."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.errors import OptionError
from deltastream.fetch import DataFiles, DeletionVectors, open_data_files
from deltastream.log import read_snapshot
from deltastream.options import PLANNING_THREADS
from deltastream.pipeline.counts import count_deleted, count_records
from deltastream.pipeline.filtering import count_dropped
from deltastream.pipeline.selector import RowFilter, Selector
from deltastream.pipeline.shared_counts import RankStore, count_dropped_once
from deltastream.plan import PartitionFilter, file_outcomes, keep_files, settle_filter
from deltastream.predicate import (
    Expression,
    Filter,
    Path,
    bind,
    columns_of,
    parse_column,
    parse_filter,
    project_columns,
    readings,
    resolve_column,
)
from deltastream.storage import Storage, StorageAccess, open_storage
from deltastream.types import Snapshot

__all__ = ["FoundFiles", "PlannedRows", "RowsRequest", "find_files", "plan_rows", "run_planning"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Which rows and columns of which table."""

    path: str | os.PathLike[str]
    version: int | None
    timestamp: datetime | str | None
    columns: Sequence[str] | None
    filter: Filter | None
    access: StorageAccess
    partition_filter: PartitionFilter | None = None
    on_snapshot: Callable[[Snapshot], object] | None = None
    """Called in a thread of the pool with the version that was found, before it is planned; may refuse it."""
    open_store: Callable[[], RankStore | None] | None = None
    """What the ranks that read together share; None: this one reads for itself."""

    def __post_init__(self) -> None:
        # Another version may be planned later: what was given is read once.
        if self.columns is not None:
            object.__setattr__(self, "columns", _names(self.columns))
        if self.partition_filter is not None:
            object.__setattr__(self, "partition_filter", settle_filter(self.partition_filter))
        if isinstance(self.filter, list | tuple):
            object.__setattr__(self, "filter", deepcopy(self.filter))


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """The files to read, and how many live rows each has."""

    snapshot: Snapshot
    schema: pa.Schema
    """Of the table's schema the columns asked for; a struct may have some of its fields only."""
    num_records: npt.NDArray[np.int64]
    """Rows per file, those that do not live among them."""
    live_rows: npt.NDArray[np.int64]
    row_filter: RowFilter | None
    """None: no filter, or one that every row of the files passes."""
    files: DataFiles
    selector: Selector
    path: str
    """What the table is opened by once more: its URI as it was given, or its absolute path on a local disk."""


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files that may have rows for the request, as far as the log tells."""

    snapshot: Snapshot
    schema: pa.Schema
    """As in `PlannedRows`."""
    row_filter: RowFilter | None
    """None: no filter, or one that every row of the files passes."""
    condition: Expression | None
    """The filter as it was parsed."""


def run_planning(request: RowsRequest, plan: Callable[[Storage, DecodePool], Awaitable[T]]) -> T:
    """Block until `plan(storage, pool)` has run on a loop of its own, with the storage of the request's table."""

    async def main() -> T:
        pool = DecodePool(PLANNING_THREADS, name="deltastream-plan", at_end=release_unused_memory)
        try:
            storage = await open_storage(request.path, request.access, pool=pool)
            async with aclosing(storage):
                return await plan(storage, pool)
        finally:
            pool.close()

    return run_in_loop(main)


async def plan_rows(request: RowsRequest, storage: Storage, pool: DecodePool) -> PlannedRows:
    """Read the log, and no more of the data than the counts need: footers, and a filter's columns."""
    found = await find_files(request, storage, pool)
    snapshot, row_filter = found.snapshot, found.row_filter
    files = open_data_files(snapshot, storage)
    num_records = await count_records(snapshot, files, pool)
    live_rows = num_records - count_deleted(snapshot, num_records)
    vectors = DeletionVectors(snapshot, storage, num_records)
    selector = Selector(snapshot, num_records, row_filter, files, vectors)
    if row_filter is not None:
        undecided = np.flatnonzero(row_filter.undecided & (live_rows > 0))
        dropped = await _count_dropped(request, found, selector, undecided, pool)
        live_rows[undecided] = num_records[undecided] - dropped
    return PlannedRows(
        snapshot,
        found.schema,
        num_records,
        live_rows,
        row_filter,
        files,
        selector,
        os.fspath(request.path) if files.is_remote else snapshot.table_uri,
    )


async def _count_dropped(
    request: RowsRequest,
    found: FoundFiles,
    selector: Selector,
    files: npt.NDArray[np.int64],
    pool: DecodePool,
) -> npt.NDArray[np.int64]:
    # A store is looked for only where there is something to share.
    store = request.open_store() if request.open_store is not None and len(files) else None
    if store is None:
        return await count_dropped(selector, files, pool)
    return await count_dropped_once(
        selector, files, pool, store=store, snapshot=found.snapshot, condition=found.condition
    )


async def find_files(request: RowsRequest, storage: Storage, pool: DecodePool) -> FoundFiles:
    """Read the log, and of the data nothing: what partition values and statistics leave open stays open."""
    condition = None if request.filter is None else parse_filter(request.filter)
    statistics_of = () if condition is None else _statistics_of(condition)
    snapshot = await read_snapshot(
        storage,
        pool=pool,
        version=request.version,
        timestamp=request.timestamp,
        statistics_of=statistics_of,
    )
    if request.on_snapshot is not None:
        await pool.run(request.on_snapshot, snapshot)
    if request.partition_filter is not None:
        num_files = snapshot.files.num_rows
        kept = keep_files(snapshot.partitions, num_files, request.partition_filter)
        snapshot = _keep(snapshot, kept)
    snapshot, row_filter = await pool.run(_prune, snapshot, condition, statistics_of)
    schema = _select_columns(snapshot.schema, request.columns)
    return FoundFiles(snapshot, schema, row_filter, condition)


def _keep(snapshot: Snapshot, files: npt.NDArray[np.bool_]) -> Snapshot:
    statistics = snapshot.statistics
    return replace(
        snapshot,
        files=snapshot.files.filter(files),
        # A table without partition columns has no rows here.
        partitions=snapshot.partitions.filter(files)
        if snapshot.partition_columns
        else snapshot.partitions,
        statistics=None if statistics is None else statistics.filter(files),
    )


def _names(columns: Iterable[str]) -> tuple[str, ...]:
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise OptionError(f"columns takes a list of names, got {columns!r}")
    names = tuple(columns)
    for name in names:
        if not isinstance(name, str):
            raise OptionError(f"columns takes a list of names, got {name!r} in it")
    return names


def _select_columns(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    if columns is None:
        return schema
    paths = [resolve_column(schema, parse_column(name))[0] for name in columns]
    return project_columns(schema, paths)


def _statistics_of(condition: Expression) -> tuple[Path, ...]:
    # Which of its readings a dotted name has is known with the schema, which comes with the statistics.
    paths = (path for column in columns_of(condition) for path in readings(column))
    return tuple(dict.fromkeys(paths))


def _prune(
    snapshot: Snapshot, condition: Expression | None, statistics_of: tuple[Path, ...]
) -> tuple[Snapshot, RowFilter | None]:
    """Return the snapshot without the files that have no row for the filter, and what is left of it to do."""
    if condition is None:
        return snapshot, None
    predicate = bind(condition, snapshot.schema)
    found = file_outcomes(predicate, snapshot, statistics_of)
    undecided = ~found.all_pass[found.true]
    # What the statistics say is said: the plan goes to every worker.
    snapshot = _keep(replace(snapshot, statistics=None), found.true)
    return snapshot, RowFilter(predicate, undecided) if undecided.any() else None
