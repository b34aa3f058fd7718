"""Owns what an inspection reads: the log, and of the data files footers at most."""

from __future__ import annotations

import os

from deltastream.cli.inspection.footers import Footers, choose_files, read_footers
from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.log import read_snapshot
from deltastream.options import INSPECTED_FOOTERS
from deltastream.storage import open_storage
from deltastream.types import Snapshot

__all__ = ["read_table"]

_MAX_THREADS = 16


def read_table(
    table: str, *, version: int | None, timestamp: str | None, footers: bool | None
) -> tuple[Snapshot, Footers | None]:
    """Read a version of `table` and footers of it. Blocks.

    Args:
        footers: True for those of all files, False for none, None for those of a few.
    """

    async def read() -> tuple[Snapshot, Footers | None]:
        # More threads than cores: a footer that is not cached is waiting, not work.
        num_threads = min(_MAX_THREADS, 4 * (os.cpu_count() or 1))
        pool = DecodePool(num_threads, name="deltastream-inspect", at_end=release_unused_memory)
        try:
            storage = open_storage(table, None, pool=pool)
            snapshot = await read_snapshot(storage, pool=pool, version=version, timestamp=timestamp)
            if footers is False:
                return snapshot, None
            limit = None if footers else INSPECTED_FOOTERS
            files = choose_files(snapshot.files.num_rows, limit)
            return snapshot, await read_footers(snapshot, storage, files, pool=pool)
        finally:
            pool.close()

    return run_in_loop(read)
