"""Owns planning: the log, the counts and a look at the first rows, once, in the parent."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.batch import Layout, resolve_layout
from deltastream.decode import (
    Projection,
    decode_first_rows,
    parse_deletion_vector,
    read_footer,
)
from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError
from deltastream.fetch import DeletionVectors, LocalFiles
from deltastream.fields import FieldSpec
from deltastream.log import read_snapshot
from deltastream.options import PLANNING_THREADS
from deltastream.plan import PartitionFilter, keep_files
from deltastream.selection import RowSelection
from deltastream.storage import open_storage
from deltastream.types import Snapshot

__all__ = ["Planned", "TableRequest", "plan_table"]

_FIRST_ROWS = 64
_FIRST_FILES = 16


@dataclass(frozen=True, slots=True)
class TableRequest:
    """Which rows of which table, in which fields."""

    path: str | os.PathLike[str]
    version: int | None
    timestamp: datetime | str | None
    fields: Sequence[FieldSpec] | None
    partition_filter: PartitionFilter | None
    row_dicts: bool
    storage_options: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Planned:
    """The files to read, how many live rows each has, and what becomes of them."""

    snapshot: Snapshot
    num_records: npt.NDArray[np.int64]
    """Rows per file, those that do not live among them."""
    live_rows: npt.NDArray[np.int64]
    layout: Layout


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
        keep = keep_files(snapshot.partitions, request.partition_filter)
        snapshot = replace(
            snapshot, files=snapshot.files.filter(keep), partitions=snapshot.partitions.filter(keep)
        )
    files = LocalFiles(snapshot, storage)
    num_records = await _count(snapshot, files, pool)
    live_rows = num_records - _count_deleted(snapshot, num_records)

    selections = (
        await _first_selections(
            snapshot, DeletionVectors(snapshot, storage, num_records), live_rows, num_records
        )
        if _values_may_decide(request, snapshot.schema)
        else {}
    )

    def first_rows(names: list[str]) -> dict[str, pa.Array]:
        return _first_rows(snapshot, files, live_rows, selections, names)

    layout = await pool.run(
        resolve_layout,
        snapshot.schema,
        request.fields,
        row_dicts=request.row_dicts,
        first_rows=first_rows,
    )
    return Planned(snapshot, num_records, live_rows, layout)


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


async def _first_selections(
    snapshot: Snapshot,
    vectors: DeletionVectors,
    live_rows: npt.NDArray[np.int64],
    num_records: npt.NDArray[np.int64],
) -> dict[int, RowSelection]:
    """Return what is deleted of the first files: a row that was deleted for its length must not decide one."""
    stored = await vectors.read(np.flatnonzero(live_rows)[:_FIRST_FILES].tolist())
    found = {}
    for file, data in stored.items():
        vector = vectors.find(file)
        assert vector is not None
        found[file] = parse_deletion_vector(
            data,
            vector,
            num_records=int(num_records[file]),
            context=vectors.context(file, vector),
        )
    return found


def _first_rows(
    snapshot: Snapshot,
    files: LocalFiles,
    live_rows: npt.NDArray[np.int64],
    selections: Mapping[int, RowSelection],
    names: list[str],
) -> dict[str, pa.Array]:
    """Return the first live values of some columns, from the first files of the table that have any."""
    found: dict[str, pa.Array] = {}
    for file in np.flatnonzero(live_rows)[:_FIRST_FILES]:
        missing = [name for name in names if name not in found]
        if not missing:
            break
        context = files.context(int(file), stage="first rows")
        projection = Projection(
            pa.schema([snapshot.schema.field(name) for name in missing]),
            frozenset(snapshot.partition_columns),
            column_mapping=snapshot.column_mapping,
        )
        with files.open(int(file)) as source:
            first = decode_first_rows(
                source, projection, _FIRST_ROWS, context, selections.get(int(file))
            )
        found |= {name: values for name, values in first.items() if values.null_count < len(values)}
    return found
