"""Owns the threads of one iterator, and what they work on."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Generic

import anyio

from deltastream.engine.allocators import release_unused_memory
from deltastream.engine.budget import ByteBudget
from deltastream.engine.buffers import BufferPool
from deltastream.engine.channel import Channel
from deltastream.engine.loop import LoopThread
from deltastream.engine.pool import DecodePool
from deltastream.options import KEPT_BUFFERS_NBYTES
from deltastream.pipeline.needs import Needs
from deltastream.pipeline.plan import ReadOptions, ReadPlan
from deltastream.pipeline.reader import Reader
from deltastream.pipeline.statistics import PipelineStatistics
from deltastream.pipeline.windows import C, LaneChunk, WindowChunks
from deltastream.plan import EpochOrder
from deltastream.storage import Storage, open_storage

__all__ = ["ReadEngine"]


_CLOSE_S = 5.0
"""Connections that do not close in this time are left to the operating system."""


class ReadEngine(Generic[C]):
    """Reads what an iterator will need, ahead within the memory budget.

    Knows nothing of the iterator, so that it can be dropped.
    """

    def __init__(
        self,
        plan: ReadPlan,
        order: EpochOrder,
        needs: Needs,
        chunks: WindowChunks[C],
        options: ReadOptions,
    ) -> None:
        """Start a loop thread and decode threads."""
        self.loop: LoopThread | None = None
        self._storage: Storage | None = None
        self.budget = ByteBudget(
            options.memory_budget, call_soon=self._call_soon, trim_idle=self._trim_idle
        )
        self.pool = DecodePool(options.decode_threads, at_end=partial(_release_memory, self.budget))
        self.buffers = BufferPool(self.budget, plan.buffers)
        self.channel: Channel[LaneChunk[C]] = Channel(
            options.memory_budget, call_soon=self._call_soon, on_empty=self.budget.starve
        )
        self._chunks = chunks
        self.reader = Reader(
            plan,
            order,
            chunks,
            self.pool,
            self.budget,
            self.buffers,
            self.channel,
        )

        async def main() -> None:
            try:
                storage = await open_storage(plan.path, plan.access, pool=self.pool)
            except Exception as error:
                self.channel.close(error)
                return
            self._storage = storage
            try:
                await self.reader.run(needs, storage)
            finally:
                with anyio.move_on_after(_CLOSE_S, shield=True):
                    await storage.aclose()

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
        self._chunks.stop()
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
            nbytes = self.channel.statistics().nbytes + self.reader.footers_nbytes
            _release_memory(self.budget, nbytes)

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
            self.reader.fetch_statistics(),
            self._storage.cache_statistics() if self._storage is not None else None,
        )

    def _call_soon(self, callback: Callable[[], object]) -> None:
        if self.loop is not None:
            self.loop.call_soon(callback)

    def _trim_idle(self, max_idle_nbytes: int) -> None:
        self.buffers.trim(max_idle_nbytes)


def _release_memory(budget: ByteBudget, nbytes: int = 0) -> None:
    """Give back what allocators keep, but after a small epoch, for which new pages cost more than they weigh.

    `nbytes`: what went through it beside the budget.
    """
    if max(nbytes, budget.statistics().peak_nbytes) > KEPT_BUFFERS_NBYTES:
        release_unused_memory()
