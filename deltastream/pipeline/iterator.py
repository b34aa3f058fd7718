"""Owns the consumer's side: an iterator of batches, and the end of everything that it started."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from deltastream.batch import BatchCutter
from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.budget import ByteBudget
from deltastream.engine.buffers import BufferPool
from deltastream.engine.channel import Channel, EndOfStream
from deltastream.engine.loop import LoopThread
from deltastream.engine.pool import DecodePool
from deltastream.errors import ReadError
from deltastream.fetch import DeletionVectors, LocalFiles
from deltastream.pipeline.needs import Needs, consumer_needs
from deltastream.pipeline.plan import ReadOptions, ReadPlan
from deltastream.pipeline.reader import LaneChunk, Reader
from deltastream.pipeline.statistics import PipelineStatistics
from deltastream.plan import EpochOrder, Schedule
from deltastream.storage import open_storage

__all__ = ["BatchIterator"]


class BatchIterator(Iterator[Any]):
    """The batches of one consumer's share of one epoch.

    Making it starts a loop thread and decode threads, which read ahead within the memory budget. They end when the
    iterator is used up, is closed, fails, or is dropped, and at the interpreter's exit.
    """

    def __init__(
        self, plan: ReadPlan, order: EpochOrder, schedule: Schedule, options: ReadOptions
    ) -> None:
        self._fill = plan.pad
        self._batch_size = plan.order.batch_size
        self._needs: Needs = consumer_needs(order, schedule)
        self._num_batches = 0
        self._error: Exception | None = None
        engine = _Engine(plan, order, schedule, options)
        self._engine = engine
        self._cutter = BatchCutter(plan.layout, plan.order.batch_size, engine.buffers.take)
        self._finalizer = weakref.finalize(self, engine.close)

    def __repr__(self) -> str:
        state = "open" if self._finalizer.alive else "closed"
        return f"<BatchIterator {state}, {self._num_batches} batches, {self._engine.channel!r}>"

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            key, (_, start, stop) = next(self._needs)
            cutter = self._cutter
            while not cutter.has(key, stop):
                cutter.add(*self._engine.channel.receive())
            self._num_batches += 1
            return cutter.cut(key, start, stop, fill=self._fill)
        except StopIteration:
            self.close()
            if self._error is not None:
                # Again: a failure that was caught must not look like the end of the epoch.
                raise self._error from None
            raise
        except EndOfStream:
            self._fail(ReadError("the reader ended before the epoch did; please report this"))
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> NoReturn:
        self.close()
        # Ctrl-C, say: raised once, and then an error of ours, for the epoch is not over.
        self._error = (
            error
            if isinstance(error, Exception)
            else ReadError(f"the iterator was closed by {type(error).__name__}")
        )
        raise error

    def close(self) -> None:
        """End every task and thread, and wait for them; the decode or transform that runs is waited for."""
        self._needs = iter(())
        self._cutter.clear()
        self._finalizer()

    def statistics(self) -> PipelineStatistics:
        """Return what every stage did so far and how long it waited."""
        return self._engine.statistics(self._num_batches)


class _Engine:
    """The threads of one iterator and what they work on; knows nothing of the iterator, so that it can be dropped."""

    def __init__(
        self, plan: ReadPlan, order: EpochOrder, schedule: Schedule, options: ReadOptions
    ) -> None:
        self.pool = DecodePool(options.decode_threads, at_end=release_unused_memory)
        self.loop: LoopThread | None = None
        self.budget = ByteBudget(
            options.memory_budget, call_soon=self._call_soon, trim_idle=self._trim_idle
        )
        self.buffers = BufferPool(self.budget)
        self.channel: Channel[LaneChunk] = Channel(
            options.memory_budget, call_soon=self._call_soon, on_empty=self.budget.starve
        )
        storage = open_storage(plan.snapshot.table_uri, None, pool=self.pool)
        self.reader = Reader(
            plan,
            order,
            options,
            LocalFiles(plan.snapshot, storage),
            DeletionVectors(plan.snapshot, storage, plan.num_records),
            self.pool,
            self.budget,
            self.buffers,
            self.channel,
        )

        async def main() -> None:
            await self.reader.run(consumer_needs(order, schedule))

        self._pid = os.getpid()
        # It is known before it runs: what it starts may call it at once.
        self.loop = LoopThread(main)
        try:
            self.loop.start()
        except BaseException:
            self.pool.close()
            raise

    def close(self) -> None:
        """End everything and wait for it; in one of its own threads, where a collector may call, without waiting."""
        if os.getpid() != self._pid:
            return  # a forked child has none of the threads, and their locks as they happened to be
        self.reader.stop()
        self.pool.shutdown()
        if self.loop is not None:
            self.loop.cancel()
        is_own = self.pool.owns_current_thread() or (
            self.loop is not None and self.loop.is_current_thread()
        )
        if is_own:
            # The thread may hold any lock, and others may wait for it: what is read is dropped, the rest ends itself.
            self.channel.drain()
            return
        try:
            if self.loop is not None:
                self.loop.join()
        finally:
            self.pool.close()
            # Chunks refer to the engine through their memory, and arrays are no part of garbage collection.
            self.channel.drain()
            self.buffers.close()
            self.budget.close()
            self.loop = None
            release_unused_memory()

    def statistics(self, num_batches: int) -> PipelineStatistics:
        return PipelineStatistics(
            num_batches,
            self.reader.num_windows,
            self.reader.num_row_groups,
            self.reader.num_footers,
            self.pool.statistics(),
            self.budget.statistics(),
            self.buffers.statistics(),
            self.channel.statistics(),
        )

    def _call_soon(self, callback: Callable[[], object]) -> None:
        if self.loop is not None:
            self.loop.call_soon(callback)

    def _trim_idle(self, max_idle_nbytes: int) -> None:
        self.buffers.trim(max_idle_nbytes)
