"""Owns what a plan reads: the log, and the footers of a few files."""

from __future__ import annotations

import os
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt

from deltastream.cli.inspection.footers import choose_files, look_at_footers
from deltastream.cli.inspection.model import UnreadableFile
from deltastream.cli.planning.vacuum import Removals, find_removals
from deltastream.decode import Footer, Projection
from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.fetch.coalesce import few_ranges
from deltastream.options import INSPECTED_FOOTERS
from deltastream.pipeline import FoundFiles, RowsRequest, find_files
from deltastream.storage import StorageAccess, open_storage

__all__ = ["FileFacts", "TableFacts", "read_facts"]

_MAX_THREADS = 16


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one footer says of the wanted columns, an entry per row group."""

    file: int
    num_rows: npt.NDArray[np.int64]
    decoded_nbytes: npt.NDArray[np.int64]
    stored_nbytes: npt.NDArray[np.int64]
    num_requests: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Everything that a plan is computed from."""

    found: FoundFiles
    footers: tuple[FileFacts, ...]
    unreadable: tuple[UnreadableFile, ...]
    removals: Removals


def read_facts(
    table: str,
    access: StorageAccess,
    *,
    version: int | None,
    timestamp: datetime | str | None,
    columns: tuple[str, ...] | None,
    filter: str | None,
) -> TableFacts:
    """Read the log of `table`, and as many footers as `inspect` reads unasked. Blocks."""

    async def read() -> TableFacts:
        num_threads = min(_MAX_THREADS, 4 * (os.cpu_count() or 1))
        pool = DecodePool(num_threads, name="deltastream-inspect", at_end=release_unused_memory)
        try:
            async with aclosing(await open_storage(table, access, pool=pool)) as storage:
                request = RowsRequest(table, version, timestamp, columns, filter, access)
                found = await find_files(request, storage, pool)
                snapshot = found.snapshot
                partition = frozenset(snapshot.partition_columns) & frozenset(found.schema.names)
                wanted = Projection(found.schema, partition, column_mapping=snapshot.column_mapping)
                files = choose_files(snapshot.files.num_rows, INSPECTED_FOOTERS)
                look = partial(_look, snapshot.files["nbytes"].to_numpy())
                looked = await look_at_footers(snapshot, storage, files, wanted, look, pool=pool)
                return TableFacts(
                    found,
                    tuple(one for one in looked if isinstance(one, FileFacts)),
                    tuple(one for one in looked if isinstance(one, UnreadableFile)),
                    await find_removals(snapshot, storage, pool=pool),
                )
        finally:
            pool.close()

    return run_in_loop(read)


def _look(nbytes: npt.NDArray[np.int64], file: int, footer: Footer) -> FileFacts:
    chunks = [
        footer.chunk_ranges(group, file_nbytes=int(nbytes[file]))
        for group in range(footer.metadata.num_row_groups)
    ]
    return FileFacts(
        file,
        footer.sizes.num_rows,
        footer.sizes.nbytes,
        np.array([sum(one.stop - one.start for one in group) for group in chunks], np.int64),
        np.array([len(few_ranges(group)) for group in chunks], np.int64),
    )
