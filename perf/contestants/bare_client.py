"""Owns the limit from a store: a bare client that fetches the same ranges, so many at once, and perhaps decodes them.

Options: ``transport``, "obstore" or "fsspec"; ``at_once``, requests in flight; ``decodes``, whether two threads decode
each row group with pyarrow when it has come; ``local``, a copy of the table, whose footers tell the ranges.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.fetch import Fetched
from deltastream.options import REQUEST_NBYTES
from deltastream.storage.open_transport import connect
from deltastream.storage.parse import parse_store
from deltastream.storage.store import Store
from deltastream.types import ByteRange
from perf.job import Epochs, Job

__all__ = ["open_table"]


class _Group:
    """One row group: its ranges, and what came of them."""

    def __init__(self, path: Path, index: int, metadata: pq.FileMetaData) -> None:
        self.name = path.name
        self.index = index
        self.metadata = metadata
        chunks = [metadata.row_group(index).column(i) for i in range(metadata.num_columns)]
        start = min(chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks)
        stop = start + sum(chunk.total_compressed_size for chunk in chunks)
        cuts = [*range(start, stop, REQUEST_NBYTES), stop]
        self.ranges = [ByteRange(*pair) for pair in pairwise(cuts)]
        self.nbytes = path.stat().st_size
        self.num_rows = metadata.row_group(index).num_rows
        self.parts: list[tuple[ByteRange, Any]] = []

    def decode(self) -> int:
        """Decode all columns."""
        fetched = Fetched(self.nbytes, self.parts)
        self.parts = []
        with pq.ParquetFile(fetched.open(), metadata=self.metadata, pre_buffer=False) as file:
            num_rows: int = file.read_row_group(self.index, use_threads=False).num_rows
        return num_rows


def open_table(job: Job) -> Epochs:
    """List the row groups; a pass fetches each once."""
    options = dict(job.options)
    store = parse_store(job.path, options["storage_options"])  # type: ignore[arg-type]
    assert isinstance(store, Store)
    pa.set_cpu_count(job.num_threads)

    def groups() -> list[_Group]:
        found = []
        for path in sorted(Path(str(options["local"])).glob("*.parquet")):
            metadata = pq.read_metadata(path)
            found += [_Group(path, i, metadata) for i in range(metadata.num_row_groups)]
        return found

    def epoch() -> Iterator[int]:
        done: queue.Queue[int] = queue.Queue()
        wanted = groups()
        fetching = threading.Thread(target=anyio.run, args=(_fetch, store, options, wanted, done))
        fetching.start()
        for _ in wanted:
            yield done.get()
        fetching.join()

    return epoch


async def _fetch(
    store: Store, options: dict[str, Any], groups: list[_Group], done: queue.Queue[int]
) -> None:
    at_once = anyio.Semaphore(int(options["at_once"]))
    decoding = anyio.CapacityLimiter(2)
    connection = connect(store, options["transport"])

    async def fetch(group: _Group, part: ByteRange) -> None:
        async with at_once, connection.client() as client:
            pieces = []
            async with client.transport.open(f"{store.root}/{group.name}", part) as answer:
                while piece := await answer.read_some():
                    pieces.append(piece)
        group.parts.append((part, pieces[0] if len(pieces) == 1 else b"".join(pieces)))

    async def read(group: _Group) -> None:
        async with anyio.create_task_group() as tasks:
            for part in group.ranges:
                tasks.start_soon(fetch, group, part)
        if options["decodes"]:
            await anyio.to_thread.run_sync(group.decode, limiter=decoding)
        group.parts = []
        done.put(group.num_rows)

    async with anyio.create_task_group() as tasks:
        for group in groups:
            tasks.start_soon(read, group)
    await connection.aclose()
