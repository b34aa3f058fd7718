"""Owns what an inspection reads: the log, and of the data files footers at most."""

from __future__ import annotations

import os
from contextlib import aclosing

from deltastream.cli.inspection.footers import Footers, choose_files, read_footers
from deltastream.cli.inspection.measure import statistics_paths
from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.log import read_snapshot
from deltastream.options import INSPECTED_FOOTERS, INSPECTED_STATISTICS_FILES
from deltastream.storage import StorageAccess, open_storage
from deltastream.types import Snapshot

__all__ = ["read_table"]

_MAX_THREADS = 16


def read_table(
    table: str,
    access: StorageAccess,
    *,
    version: int | None,
    timestamp: str | None,
    footers: bool | None,
    column_statistics: bool | None,
) -> tuple[Snapshot, Footers | None]:
    """Read a version of `table` and footers of it. Blocks.

    Args:
        footers: True for those of all files, False for none, None for those of a few.
        column_statistics: True for the statistics of every column, False for none, None for every column's unless
            there are many files.
    """

    async def read() -> tuple[Snapshot, Footers | None]:
        # More threads than cores: a footer that is not cached is waiting, not work.
        num_threads = min(_MAX_THREADS, 4 * (os.cpu_count() or 1))
        pool = DecodePool(num_threads, name="deltastream-inspect", at_end=release_unused_memory)
        try:
            async with aclosing(await open_storage(table, access, pool=pool)) as storage:
                snapshot = await read_snapshot(
                    storage, pool=pool, version=version, timestamp=timestamp
                )
                num_files = snapshot.files.num_rows
                wanted = column_statistics
                if wanted is None:
                    wanted = num_files <= INSPECTED_STATISTICS_FILES
                # Which columns there are is known only now. A version never changes, so the log is read again.
                if wanted and (paths := statistics_paths(snapshot)):
                    snapshot = await read_snapshot(
                        storage, pool=pool, version=snapshot.version, statistics_of=paths
                    )
                if footers is False:
                    return snapshot, None
                files = choose_files(num_files, None if footers else INSPECTED_FOOTERS)
                return snapshot, await read_footers(snapshot, storage, files, pool=pool)
        finally:
            pool.close()

    return run_in_loop(read)
