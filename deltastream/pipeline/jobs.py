"""Owns the jobs of a window: small row groups decoded together, and what becomes of the window as they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from deltastream.engine.slots import Slot
from deltastream.pipeline.needs import LaneKey
from deltastream.pipeline.windows import C, LaneChunk, WindowBuilder
from deltastream.plan import Window, WindowSlice

__all__ = ["Job", "WindowJobs", "divide"]

_JOB_NBYTES = 2 << 20
"""Decoded bytes of the row groups of one job, at most, unless it is one: at least 2 ms of work."""

_MIN_JOB_NBYTES = 1 << 18
"""Smaller jobs would cost more in hops than threads that end together gain."""


@dataclass(slots=True)
class Job:
    """Row groups of a window that are decoded one after the other."""

    parts: list[WindowSlice]
    start: int
    """Row of the window that their first row is, in the order in which they are read."""
    num_placed: int = 0
    """Rows that were decoded so far."""


def divide(slices: Sequence[WindowSlice], num_threads: int) -> list[Job]:
    """Divide a window into jobs: small row groups together, since each hop between threads costs 0.1 ms.

    The last of them are the smallest, so that all threads end at about the same time: a window that is the whole epoch
    is waited for.
    """
    left = sum(part.nbytes for part in slices)
    jobs: list[Job] = []
    nbytes = max_nbytes = start = 0
    for part in slices:
        if not jobs or nbytes + part.nbytes > max_nbytes:
            jobs.append(Job([], start))
            nbytes = 0
            max_nbytes = min(_JOB_NBYTES, max(_MIN_JOB_NBYTES, left // num_threads))
        jobs[-1].parts.append(part)
        nbytes += part.nbytes
        left -= part.nbytes
        start += part.num_rows
    return jobs


class WindowJobs(Generic[C]):
    """A window whose jobs are under way: the last one to end fills its slot. Belongs to the loop."""

    def __init__(
        self,
        window: Window,
        slot: Slot[LaneChunk[C]],
        key: LaneKey,
        builder: WindowBuilder[C],
        num_jobs: int,
    ) -> None:
        self._is_permuted = window.key is not None
        self._slot = slot
        self._key = key
        self._builder = builder
        self._left = num_jobs
        self._failure: tuple[int, BaseException] | None = None
        """The first row that is missing, and why."""

    def ended(self, job: Job, error: BaseException | None) -> None:
        """Note that a job ended. Of a window in file order what lies before a failure is still handed on."""
        self._left -= 1
        if error is not None:
            row = 0 if self._is_permuted else job.start + job.num_placed
            if self._failure is None or row < self._failure[0]:
                self._failure = row, error
            if row == 0:
                self._slot.fail(error)
        if self._left == 0:
            self._fill()

    def _fill(self) -> None:
        try:
            if self._failure is None:
                self._slot.set((self._key, self._builder.finish()))
            elif self._failure[0] > 0:
                num_rows, error = self._failure
                before = self._builder.finish(num_rows=num_rows)
                self._slot.fail(error, after=(self._key, before))
        except Exception as failure:
            self._slot.fail(failure)
