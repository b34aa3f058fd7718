"""Owns planning: the log, the counts and a look at the first rows, once, in the parent."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.batch import Layout, resolve_layout
from deltastream.dataset.filtering import count_dropped
from deltastream.dataset.first_rows import first_files, first_rows
from deltastream.decode import Projection, read_footer
from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError, OptionError
from deltastream.fetch import DeletionVectors, LocalFiles
from deltastream.fields import FieldSpec
from deltastream.log import read_snapshot
from deltastream.options import PLANNING_THREADS
from deltastream.pipeline import RowFilter, Selector
from deltastream.plan import PartitionFilter, file_outcomes, keep_files
from deltastream.predicate import (
    Filter,
    bind,
    parse_column,
    parse_filter,
    paths_of,
    project_columns,
    resolve_column,
)
from deltastream.storage import open_storage
from deltastream.types import Snapshot

__all__ = ["Planned", "TableRequest", "plan_table"]


@dataclass(frozen=True, slots=True)
class TableRequest:
    """Which rows of which table, in which fields."""

    path: str | os.PathLike[str]
    version: int | None
    timestamp: datetime | str | None
    fields: Sequence[FieldSpec] | None
    columns: Sequence[str] | None
    partition_filter: PartitionFilter | None
    filter: Filter | None
    row_dicts: bool
    storage_options: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Planned:
    """The files to read, how many live rows each has, and what becomes of them."""

    snapshot: Snapshot
    schema: pa.Schema
    """Of the table's schema the columns asked for."""
    num_records: npt.NDArray[np.int64]
    """Rows per file, those that do not live among them."""
    live_rows: npt.NDArray[np.int64]
    layout: Layout
    row_filter: RowFilter | None


def plan_table(request: TableRequest) -> Planned:
    """Read the log, and no more of the data than the counts and the fields' shapes need. Blocks."""

    async def plan() -> Planned:
        pool = DecodePool(PLANNING_THREADS, name="deltastream-plan", at_end=release_unused_memory)
        try:
            return await _plan(request, pool)
        finally:
            pool.close()

    return run_in_loop(plan)


async def _plan(request: TableRequest, pool: DecodePool) -> Planned:
    storage = open_storage(request.path, request.storage_options, pool=pool)
    snapshot = await read_snapshot(
        storage, pool=pool, version=request.version, timestamp=request.timestamp
    )
    if request.partition_filter is not None:
        snapshot = _keep(snapshot, keep_files(snapshot.partitions, request.partition_filter))
    snapshot, row_filter = await pool.run(_prune, snapshot, request.filter)
    schema = _select_columns(snapshot.schema, request.columns)
    files = LocalFiles(snapshot, storage)
    num_records = await _count(snapshot, files, pool)
    live_rows = num_records - _count_deleted(snapshot, num_records)
    selector = Selector(
        snapshot, num_records, row_filter, files, DeletionVectors(snapshot, storage, num_records)
    )
    if row_filter is not None:
        undecided = np.flatnonzero(row_filter.undecided & (live_rows > 0))
        dropped = await count_dropped(selector, undecided, pool)
        live_rows[undecided] = num_records[undecided] - dropped
    vectors = (
        await selector.read_vectors(first_files(live_rows))
        if _values_may_decide(request, schema)
        else {}
    )
    layout = await pool.run(
        resolve_layout,
        schema,
        request.fields,
        row_dicts=request.row_dicts,
        first_rows=partial(first_rows, snapshot, schema, files, selector, vectors, live_rows),
    )
    return Planned(snapshot, schema, num_records, live_rows, layout, row_filter)


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


def _select_columns(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    if columns is None:
        return schema
    if isinstance(columns, str) or not columns:
        raise OptionError(f"columns takes a list of one name or more, got {columns!r}")
    paths = [resolve_column(schema, parse_column(name))[0] for name in columns]
    return project_columns(schema, paths)


def _prune(snapshot: Snapshot, condition: Filter | None) -> tuple[Snapshot, RowFilter | None]:
    """Return the snapshot without the files that have no row for the filter, and what is left of it to do."""
    if condition is None:
        return snapshot, None
    predicate = bind(parse_filter(condition), snapshot.schema)
    found = file_outcomes(predicate, snapshot, paths_of(predicate))
    undecided = ~found.all_pass[found.true]
    snapshot = _keep(snapshot, found.true)
    return snapshot, RowFilter(predicate, undecided) if undecided.any() else None


async def _count(snapshot: Snapshot, files: LocalFiles, pool: DecodePool) -> npt.NDArray[np.int64]:
    """Return the rows per file, deleted ones among them; a file without statistics has its footer read."""
    column = snapshot.files["num_records"]
    counts: npt.NDArray[np.int64] = column.fill_null(-1).to_numpy().astype(np.int64)

    nothing = Projection(pa.schema([]), frozenset())

    def count(file: int) -> int:
        context = files.context(file, stage="footer")
        with files.open(file) as source:
            footer = read_footer(source, nothing, num_records=None, context=context)
        return int(footer.sizes.num_rows.sum())

    def count_all(unknown: npt.NDArray[np.int64]) -> None:
        for file in unknown:
            counts[file] = count(int(file))

    await pool.run(count_all, np.flatnonzero(counts < 0))
    return counts


def _count_deleted(snapshot: Snapshot, num_records: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many rows of each file are deleted, from the log alone: no vector is read for it.

    Raises:
        LogCorruptError: There are more than the file has rows.
    """
    column = pc.struct_field(snapshot.files["deletion_vector"], "cardinality")
    found: npt.NDArray[np.int64] = column.fill_null(0).to_numpy().astype(np.int64)
    wrong = np.flatnonzero((found < 0) | (found > num_records))
    if len(wrong):
        file = int(wrong[0])
        raise LogCorruptError(
            f"{snapshot.table_uri} version {snapshot.version}, file {snapshot.files['path'][file].as_py()!r}: its "
            f"deletion vector deletes {found[file]} rows, and it has {num_records[file]}"
        )
    return found


def _values_may_decide(request: TableRequest, schema: pa.Schema) -> bool:
    """Say whether the layout may ask for first rows: it does for lists and binary values of unknown length."""
    if request.row_dicts:
        return False
    names = (
        schema.names
        if request.fields is None
        else [n for spec in request.fields for n in spec.names]
    )
    types = [schema.field(name).type for name in names if name in schema.names]
    return any(pa.types.is_binary(type_) or pa.types.is_list(type_) for type_ in types)
