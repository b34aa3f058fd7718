"""Owns batches as an iterator: one consumer's share of one epoch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import BoundedSemaphore, Event
from typing import Any

from deltastream.batch import BatchCutter, Chunk, ChunkBuilder, ColumnGroups
from deltastream.dataset.cursor import Cursor
from deltastream.dataset.plan import BatchPlan
from deltastream.dataset.provenance import PROVENANCE, Provenance, TracedBuilder, Trail
from deltastream.engine.budget import Charge
from deltastream.engine.buffers import BufferPool, WindowMemory
from deltastream.errors import TransformError
from deltastream.pipeline import (
    EngineIterator,
    LaneKey,
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
        self._plan = plan
        self._fill = plan.pad
        self._cursor = cursor
        self._trail = Trail() if plan.provenance else None
        self._collate: Callable[[Any], Any] | None = None
        order = plan.epoch(cursor.began.epoch, lanes=cursor.lanes)
        needs = partial(consumer_needs, order, cursor.schedule, num_taken=cursor.num_taken)
        self._needs: Needs = needs()
        chunks = _BatchChunks(plan, transform_threads)
        engine = ReadEngine(plan, order, needs(), chunks, options)
        self._cutter = BatchCutter(plan.layout, plan.order.batch_size, engine.buffers.take)
        super().__init__(engine)

    def collate_with(self, function: Callable[[Any], Any]) -> None:
        """Give what `function` makes of each batch; one that it fails for was not taken."""
        self._collate = function

    def _make(self) -> Any:
        try:
            key, (_, start, stop) = next(self._needs)
        except StopIteration:
            self._cursor.end()
            raise
        cutter = self._cutter
        while not cutter.has(key, stop):
            chunk_key, chunk = self._engine.channel.receive()
            cutter.add(chunk_key, chunk)
            if self._trail is not None:
                self._trail.add_chunk(chunk_key, chunk)
        try:
            batch = cutter.cut(key, start, stop, fill=self._fill)
        except TransformError as error:
            snapshot, cursor = self._plan.snapshot, self._cursor
            raise TransformError(
                f"{snapshot.table_uri} version {snapshot.version}, epoch {cursor.began.epoch}, microbatch "
                f"{cursor.next_microbatch()}: {error}"
            ) from error.__cause__
        if self._trail is not None:
            batch[PROVENANCE] = self._provenance(self._trail, key, start, stop)
        if self._collate is not None:
            try:
                batch = self._collate(batch)
            except StopIteration as error:
                # It would be taken for the end of the epoch.
                raise RuntimeError("collate_fn raised StopIteration") from error
        self._cursor.take()
        return batch

    def _provenance(self, trail: Trail, key: LaneKey, start: int, stop: int) -> Provenance:
        snapshot, cursor = self._plan.snapshot, self._cursor
        paths, rows = trail.cut(
            key, start, stop, fill=self._plan.order.batch_size if self._fill else None
        )
        microbatch = cursor.next_microbatch()
        return Provenance(
            snapshot.table_uri, snapshot.version, cursor.began.epoch, microbatch, paths, *rows.T
        )

    def _forget(self) -> None:
        self._needs = iter(())
        self._cutter.clear()


class _BatchChunks:
    """Makes arrays of windows."""

    def __init__(self, plan: BatchPlan, transform_threads: int) -> None:
        layout, is_shuffled = plan.layout, plan.order.shuffle
        self._is_traced = plan.provenance
        self._is_shuffled = is_shuffled
        self._copied = ColumnGroups(layout, copies_all=True)
        self._kept = ColumnGroups(layout, copies_all=False)
        # Ragged values stay where they were decoded until the window is complete.
        self.holds_decoded = is_shuffled and layout.has_ragged
        self._transform_slots = BoundedSemaphore(transform_threads)
        self._stopped = Event()
        self.row_nbytes = self._fixed_nbytes = layout.row_nbytes or 0

    def _finished(self, chunk: Chunk) -> None:
        """Learn from a window what objects weigh in the next one, of which its footers say little."""
        num_rows = max(1, chunk.stop - chunk.start)
        self.row_nbytes = max(self._fixed_nbytes, chunk.charge.nbytes // num_rows)

    def begin(
        self, window: Window, charge: Charge, buffers: BufferPool
    ) -> ChunkBuilder | TracedBuilder:
        builder = ChunkBuilder(
            self._copied if self._is_shuffled or len(window.slices) > 1 else self._kept,
            window.positions if self._is_shuffled else None,
            start=window.start,
            stop=window.stop,
            memory=WindowMemory(buffers, charge),
            transform_slots=self._transform_slots,
            stopped=self._stopped,
            on_finished=self._finished,
        )
        return TracedBuilder(builder, window) if self._is_traced else builder

    def stop(self) -> None:
        """Make transforms that run end at their next row."""
        self._stopped.set()
