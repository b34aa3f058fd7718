"""Owns the column chunks that are fetched before they are decoded: in which requests, and how far ahead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio
import numpy as np
import numpy.typing as npt
from anyio.abc import TaskGroup

from deltastream.decode import Footer
from deltastream.fetch import DataFiles, Fetched
from deltastream.options import FETCH_AHEAD_NBYTES
from deltastream.plan import WindowSlice
from deltastream.types import ByteRange

__all__ = ["FetchAhead", "JobFetch"]


@dataclass(frozen=True, slots=True)
class JobFetch:
    """What is fetched for one decode job."""

    ranges: Mapping[int, Sequence[ByteRange]]
    """By file."""
    row_groups: Mapping[int, int]
    """By file, for messages: the first one."""
    nbytes: int


class FetchAhead:
    """Fetches for decode jobs, in tasks that begin in the order in which the jobs were given."""

    def __init__(self, files: DataFiles, file_nbytes: npt.NDArray[np.int64]) -> None:
        self._files = files
        self.file_nbytes = file_nbytes
        self._nbytes = 0
        self._has_room = anyio.Event()
        self._is_stopped = False

    def __repr__(self) -> str:
        return f"<FetchAhead, {self._nbytes} bytes>"

    def plan(self, parts: Sequence[WindowSlice], footers: Mapping[int, Footer]) -> JobFetch:
        """Choose what to fetch for a job that decodes `parts`."""
        wanted: defaultdict[int, list[list[ByteRange]]] = defaultdict(list)
        row_groups: dict[int, int] = {}
        for part in parts:
            row_groups.setdefault(part.file, part.row_group)
            file_nbytes = int(self.file_nbytes[part.file])
            wanted[part.file].append(
                footers[part.file].chunk_ranges(part.row_group, file_nbytes=file_nbytes)
            )
        ranges = {file: self._files.plan_ranges(*some) for file, some in wanted.items()}
        nbytes = sum(part.stop - part.start for some in ranges.values() for part in some)
        return JobFetch(ranges, row_groups, nbytes)

    async def wait_for_room(self) -> None:
        """Wait while as many bytes as are worth it are on their way, or wait to be decoded."""
        while self._nbytes >= FETCH_AHEAD_NBYTES:
            self._has_room = anyio.Event()
            await self._has_room.wait()

    def start(
        self,
        tasks: TaskGroup,
        job: JobFetch,
        on_arrived: Callable[[Mapping[int, Fetched | None], Exception | None], object],
        *,
        afresh: bool = False,
    ) -> None:
        """Begin to fetch; `on_arrived(fetched by file, first failure)` is called on the loop, once; stopped, never."""
        if self._is_stopped:
            return
        self._nbytes += job.nbytes
        fetched: dict[int, Fetched | None] = {}
        failures: list[Exception] = []

        async def fetch(file: int) -> None:
            try:
                fetched[file] = await self._files.fetch(
                    file,
                    job.ranges[file],
                    stage="fetch",
                    row_group=job.row_groups[file],
                    afresh=afresh,
                )
            except Exception as error:
                failures.append(error)
            if len(fetched) + len(failures) == len(job.ranges):
                on_arrived(fetched, failures[0] if failures else None)

        for file in job.ranges:
            tasks.start_soon(fetch, file)

    def stop(self) -> None:
        """Fetch nothing more: the tasks are at their end, while jobs in the pool may not be."""
        self._is_stopped = True

    def decoded(self, job: JobFetch) -> None:
        """Note that a job's bytes are gone."""
        self._nbytes -= job.nbytes
        self._has_room.set()
