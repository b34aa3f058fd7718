"""Owns batches as an iterator: one consumer's share of one epoch."""

from __future__ import annotations

from functools import partial
from threading import BoundedSemaphore, Event
from typing import Any

from deltastream.batch import BatchCutter, Chunk, ChunkBuilder, ColumnGroups, Layout
from deltastream.dataset.cursor import Cursor
from deltastream.dataset.plan import BatchPlan
from deltastream.engine.budget import Charge
from deltastream.engine.buffers import BufferPool, WindowMemory
from deltastream.pipeline import (
    EngineIterator,
    Needs,
    ReadEngine,
    ReadOptions,
    consumer_needs,
)
from deltastream.plan import Window

__all__ = ["BatchIterator"]


class BatchIterator(EngineIterator[Any, Chunk]):
    """The batches of one consumer's share of one epoch.

    Making it starts a loop thread and decode threads, which read ahead within the memory budget.
    """

    def __init__(
        self,
        plan: BatchPlan,
        cursor: Cursor,
        options: ReadOptions,
        *,
        transform_threads: int,
    ) -> None:
        """Begin where `cursor` is. `transform_threads`: how many threads may run transforms at once."""
        self._fill = plan.pad
        self._cursor = cursor
        order = plan.epoch(cursor.began.epoch, lanes=cursor.lanes)
        needs = partial(consumer_needs, order, cursor.schedule, num_taken=cursor.num_taken)
        self._needs: Needs = needs()
        chunks = _BatchChunks(plan.layout, plan.order.shuffle, transform_threads)
        engine = ReadEngine(plan, order, needs(), chunks, options)
        self._cutter = BatchCutter(plan.layout, plan.order.batch_size, engine.buffers.take)
        super().__init__(engine)

    def _make(self) -> Any:
        try:
            key, (_, start, stop) = next(self._needs)
        except StopIteration:
            self._cursor.end()
            raise
        cutter = self._cutter
        while not cutter.has(key, stop):
            cutter.add(*self._engine.channel.receive())
        batch = cutter.cut(key, start, stop, fill=self._fill)
        self._cursor.take()
        return batch

    def _forget(self) -> None:
        self._needs = iter(())
        self._cutter.clear()


class _BatchChunks:
    """Makes arrays of windows."""

    def __init__(self, layout: Layout, is_shuffled: bool, transform_threads: int) -> None:
        self._groups = ColumnGroups(layout, is_shuffled=is_shuffled)
        # Ragged values stay where they were decoded until the window is complete.
        self.holds_decoded = is_shuffled and layout.has_ragged
        self._transform_slots = BoundedSemaphore(transform_threads)
        self._stopped = Event()

    def begin(self, window: Window, charge: Charge, buffers: BufferPool) -> ChunkBuilder:
        return ChunkBuilder(
            self._groups,
            window.positions if self._groups.is_shuffled else None,
            start=window.start,
            stop=window.stop,
            memory=WindowMemory(buffers, charge, window.nbytes),
            transform_slots=self._transform_slots,
            stopped=self._stopped,
        )

    def stop(self) -> None:
        """Make transforms that run end at their next row."""
        self._stopped.set()
