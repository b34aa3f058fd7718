"""Owns planning's first half: the log and the row counts, once, in the parent, without torch."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.decode import Projection, read_footer
from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError
from deltastream.fetch import DeletionVectors, LocalFiles
from deltastream.log import read_snapshot
from deltastream.options import PLANNING_THREADS
from deltastream.plan import PartitionFilter, keep_files
from deltastream.storage import open_storage
from deltastream.types import Snapshot

__all__ = ["PlannedRows", "RowsRequest", "plan_rows", "run_planning"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Which rows of which table."""

    path: str | os.PathLike[str]
    version: int | None
    timestamp: datetime | str | None
    partition_filter: PartitionFilter | None
    storage_options: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """The files to read, and how many live rows each has."""

    snapshot: Snapshot
    num_records: npt.NDArray[np.int64]
    """Rows per file, those that do not live among them."""
    live_rows: npt.NDArray[np.int64]
    files: LocalFiles
    vectors: DeletionVectors


def run_planning(plan: Callable[[DecodePool], Awaitable[T]]) -> T:
    """Block until `plan(pool)` has run on a loop of its own."""

    async def main() -> T:
        pool = DecodePool(PLANNING_THREADS, name="deltastream-plan", at_end=release_unused_memory)
        try:
            return await plan(pool)
        finally:
            pool.close()

    return run_in_loop(main)


async def plan_rows(request: RowsRequest, pool: DecodePool) -> PlannedRows:
    """Read the log, and no more of the data than the counts need."""
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
    vectors = DeletionVectors(snapshot, storage, num_records)
    return PlannedRows(snapshot, num_records, live_rows, files, vectors)


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
