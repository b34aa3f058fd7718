"""Owns the threads that decode: a few daemon threads fed in submission order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Generic, ParamSpec, TypeVar, cast

import anyio

__all__ = ["DecodePool", "PoolStatistics", "usable_cores"]

P = ParamSpec("P")
T = TypeVar("T")


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What the pool did since it was made."""

    num_threads: int
    num_jobs: int
    """Jobs finished, failed ones among them."""
    busy_s: float
    """Thread seconds spent in jobs. Near ``num_threads`` x elapsed time: decoding bounds the loader."""


class DecodePool:
    """Runs blocking functions for coroutines, at most `num_threads` at once, first in first out.

    The threads are daemons: without `close`, which waits for them, the interpreter ends though a job runs. A job whose
    waiter is cancelled is skipped if it has not begun; one that runs is left to end, its result dropped.
    """

    def __init__(
        self,
        num_threads: int,
        *,
        name: str = "deltastream-decode",
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        """`at_end` is called by every thread just before it ends."""
        if num_threads < 1:
            raise ValueError(f"need at least 1 thread, got {num_threads}")
        self._jobs: SimpleQueue[_Job[object] | None] = SimpleQueue()
        self._busy_s = [0.0] * num_threads
        self._num_jobs = [0] * num_threads
        self._closed = False
        self._at_end = at_end
        self._threads = [
            Thread(target=self._work, args=(i,), name=f"{name}-{i}", daemon=True)
            for i in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<DecodePool {state}, {len(self._threads)} threads, {self._jobs.qsize()} queued>"

    @property
    def num_threads(self) -> int:
        return len(self._threads)

    def submit(
        self, function: Callable[[], T], on_done: Callable[[T | None, BaseException | None], object]
    ) -> None:
        """Run `function()` in a pool thread, then `on_done(result, error)` on the loop that called this.

        Costs a tenth of a task that waits for the same. Nobody can cancel the job; `close()` skips what has not begun.
        """
        if self._closed:
            raise RuntimeError("the decode pool is closed")
        self._jobs.put(_Job(function, on_done))  # type: ignore[arg-type]

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `function(*args, **kwargs)` in a pool thread; its exception is raised here."""
        outcome = _Outcome[T]()
        abandoned = False

        def call() -> T | None:
            return None if abandoned else function(*args, **kwargs)

        self.submit(call, outcome.set)
        try:
            return await outcome.wait()
        except BaseException:
            abandoned = True
            raise

    def statistics(self) -> PoolStatistics:
        return PoolStatistics(len(self._threads), sum(self._num_jobs), sum(self._busy_s))

    def owns_current_thread(self) -> bool:
        """Say whether the caller runs in one of the pool's threads."""
        return current_thread() in self._threads

    def shutdown(self) -> None:
        """Make the threads end after the jobs that run, not those that wait; returns at once, from any thread."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._jobs.put(None)

    def close(self) -> None:
        """End the threads and wait for them."""
        self.shutdown()
        for thread in self._threads:
            # A finalizer may close the pool from one of its own threads.
            if thread is not current_thread():
                thread.join()

    def _work(self, index: int) -> None:
        while (job := self._jobs.get()) is not None:
            if self._closed:
                continue
            start = time.perf_counter()
            job.execute()
            self._busy_s[index] += time.perf_counter() - start
            self._num_jobs[index] += 1
            # Idle threads must not keep the last job's result alive.
            del job
        self._at_end()


class _Outcome(Generic[T]):
    """What a coroutine waits for."""

    def __init__(self) -> None:
        self._done = anyio.Event()
        self._result: T | None = None
        self._error: BaseException | None = None

    def set(self, result: T | None, error: BaseException | None) -> None:
        self._result, self._error = result, error
        self._done.set()

    async def wait(self) -> T:
        await self._done.wait()
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback holds this frame, and with it what the job read, in a cycle.
                del error
        return cast("T", self._result)


class _Job(Generic[T]):
    """One call on its way to a thread and back to the loop that waits for it."""

    __slots__ = ("_call", "_loop", "_on_done")

    def __init__(
        self, call: Callable[[], T], on_done: Callable[[T | None, BaseException | None], object]
    ) -> None:
        self._call = call
        self._on_done = on_done
        self._loop = asyncio.get_running_loop()

    def execute(self) -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = self._call()
        except BaseException as raised:
            error = raised
        try:
            self._loop.call_soon_threadsafe(self._on_done, result, error)
        except RuntimeError:
            # The loop was closed while the job ran: nobody waits any more.
            pass
        finally:
            # The error's traceback holds this frame, and with it what the job read, in a cycle.
            del error
