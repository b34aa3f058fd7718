"""Owns the reading of footers for an inspection: concurrent, and a bad file is told instead of raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.cli.inspection.model import UnreadableFile
from deltastream.decode import Footer, Projection, read_footer
from deltastream.engine.pool import DecodePool
from deltastream.errors import DeltaStreamError
from deltastream.fetch import Fetched, open_data_files
from deltastream.storage import Storage
from deltastream.types import Snapshot

__all__ = ["Footers", "choose_files", "look_at_footers", "read_footers"]

T = TypeVar("T")

_JOB_FILES = 64
"""Footers read in one job: a job's two hops between threads cost as much as a footer."""


@dataclass(frozen=True, slots=True)
class Footers:
    """What was read of some files; the arrays have one entry per file or per row group, in the order of `files`."""

    files: npt.NDArray[np.int64]
    """Indexes in the snapshot of the files that were readable."""
    num_row_groups: npt.NDArray[np.int64]
    row_group_rows: npt.NDArray[np.int64]
    row_group_nbytes: npt.NDArray[np.int64]
    """Before compression."""
    created_by: Counter[str]
    unreadable: tuple[UnreadableFile, ...]

    @property
    def file_rows(self) -> npt.NDArray[np.int64]:
        """Rows of each file."""
        file = np.repeat(np.arange(len(self.files)), self.num_row_groups)
        rows = np.zeros(len(self.files), np.int64)
        np.add.at(rows, file, self.row_group_rows)
        return rows


def choose_files(num_files: int, limit: int | None) -> npt.NDArray[np.int64]:
    """Return the indexes of `limit` files, spread evenly from the first to the last; all where `limit` is None."""
    if limit is None or num_files <= limit:
        return np.arange(num_files)
    return np.linspace(0, num_files - 1, limit).astype(np.int64)


async def read_footers(
    snapshot: Snapshot, storage: Storage, files: npt.NDArray[np.int64], *, pool: DecodePool
) -> Footers:
    """Read the footers of `files`, in as many jobs at once as `pool` has threads."""
    nothing = Projection(pa.schema([]), frozenset())
    return _gather(await look_at_footers(snapshot, storage, files, nothing, _look, pool=pool))


async def look_at_footers(
    snapshot: Snapshot,
    storage: Storage,
    files: npt.NDArray[np.int64],
    projection: Projection,
    look: Callable[[int, Footer], T],
    *,
    pool: DecodePool,
) -> list[T | UnreadableFile]:
    """Return what `look(file, footer)` makes of each of `files`, or that it cannot be read, in their order."""
    data_files = open_data_files(snapshot, storage)
    num_records = snapshot.files["num_records"].combine_chunks()
    jobs = [files[i : i + _JOB_FILES] for i in range(0, len(files), _JOB_FILES)]
    found: list[list[T | UnreadableFile]] = [[] for _ in jobs]

    def read(file: int, tail: Fetched | DeltaStreamError | None) -> T | UnreadableFile:
        context = data_files.context(file, stage="footer")
        try:
            if isinstance(tail, DeltaStreamError):
                raise tail
            with data_files.open(file, tail) as source:
                footer = read_footer(
                    source,
                    projection,
                    num_records=num_records[file].as_py(),
                    context=context,
                    checks_chunks=bool(projection.schema),
                )
            return look(file, footer)
        except DeltaStreamError as error:
            return UnreadableFile(context.path, str(error))

    def read_all(
        some: list[int], tails: Mapping[int, Fetched | DeltaStreamError]
    ) -> list[T | UnreadableFile]:
        return [read(file, tails.get(file)) for file in some]

    async def work(waiting: Iterator[tuple[int, npt.NDArray[np.int64]]]) -> None:
        for i, job in waiting:
            some = job.tolist()
            tails = await data_files.fetch_tails(some, stage="footer")
            found[i] = await pool.run(read_all, some, tails)

    waiting = iter(enumerate(jobs))
    async with anyio.create_task_group() as tasks:
        for _ in range(pool.num_threads):
            tasks.start_soon(work, waiting)
    return [one for job in found for one in job]


@dataclass(frozen=True, slots=True)
class _Footer:
    file: int
    created_by: str
    rows: list[int]
    nbytes: list[int]


def _look(file: int, footer: Footer) -> _Footer:
    metadata = footer.metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return _Footer(
        file,
        footer.created_by or "unknown",
        [group.num_rows for group in groups],
        [group.total_byte_size for group in groups],
    )


def _gather(found: Sequence[_Footer | UnreadableFile]) -> Footers:
    footers = [one for one in found if isinstance(one, _Footer)]

    def array(values: list[int]) -> npt.NDArray[np.int64]:
        return np.array(values, np.int64)

    return Footers(
        files=array([one.file for one in footers]),
        num_row_groups=array([len(one.rows) for one in footers]),
        row_group_rows=array([rows for one in footers for rows in one.rows]),
        row_group_nbytes=array([nbytes for one in footers for nbytes in one.nbytes]),
        created_by=Counter(one.created_by for one in footers),
        unreadable=tuple(one for one in found if isinstance(one, UnreadableFile)),
    )
