"""Owns the loop's side of an iterator: from the schedule to chunks in the channel, in order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import accumulate
from threading import BoundedSemaphore

import anyio
from anyio.abc import TaskGroup

from deltastream.batch import Chunk, ChunkBuilder
from deltastream.decode import Footer, decode_row_group, read_footer
from deltastream.engine.budget import ByteBudget, Charge
from deltastream.engine.buffers import BufferPool, WindowMemory
from deltastream.engine.channel import Channel
from deltastream.engine.pool import DecodePool
from deltastream.engine.slots import OrderedSlots, Slot
from deltastream.errors import ReadError
from deltastream.fetch import LocalFiles
from deltastream.pipeline.footers import FooterReader
from deltastream.pipeline.lane import LaneReader, WindowRead
from deltastream.pipeline.needs import Need
from deltastream.pipeline.plan import ReadOptions, ReadPlan
from deltastream.plan import EpochOrder, WindowSlice

__all__ = ["LaneChunk", "Reader"]

LaneChunk = tuple[Hashable, Chunk]
"""A chunk and the key of the lane it belongs to."""


class Reader:
    """Reads windows in the order in which the consumer will need them; they are decoded in any order."""

    def __init__(
        self,
        plan: ReadPlan,
        order: EpochOrder,
        options: ReadOptions,
        files: LocalFiles,
        pool: DecodePool,
        budget: ByteBudget,
        buffers: BufferPool,
        channel: Channel[LaneChunk],
    ) -> None:
        self._plan = plan
        self._projection = plan.projection
        self._order = order
        self._files = files
        self._pool = pool
        self._budget = budget
        self._buffers = buffers
        self._channel = channel
        self._slots: OrderedSlots[LaneChunk] = OrderedSlots()
        self._transform_slots = BoundedSemaphore(options.transform_threads)
        self.num_windows = 0
        self.num_row_groups = 0
        self.num_footers = 0

    async def run(self, needs: Need) -> None:
        """Read everything that `needs` names into the channel, and close it, with the failure if there is one."""
        error: BaseException | None = ReadError("the reader was cancelled")
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._emit, tasks)
                await self._read(needs, tasks)
                self._slots.close()
            error = None
        except BaseExceptionGroup as group:
            error = _first(group)
        finally:
            self._channel.close(error)

    async def _read(self, needs: Need, tasks: TaskGroup) -> None:
        footers = FooterReader(tasks, self._read_footers, self._pool.num_threads)
        lanes: dict[Hashable, LaneReader] = {}
        try:
            for key, span in needs:
                lane = lanes.get(key)
                if lane is None:
                    lane = lanes[key] = LaneReader(self._order, span.lane, footers)
                while lane.stop < span.stop:
                    read = await lane.next_window(span.start)
                    charge = await self._budget.acquire(self._estimate(read))
                    tasks.start_soon(self._read_window, key, read, charge, self._slots.reserve())
                    lane.prefetch()
                    self.num_footers = footers.num_read
        except Exception as error:
            # What was read before it is delivered before it.
            self._slots.reserve().fail(error)

    async def _emit(self, tasks: TaskGroup) -> None:
        try:
            while (item := await self._slots.receive()) is not None:
                self._budget.arrived(delivered=True)
                await self._channel.send(item, sum(a.nbytes for a in item[1].arrays.values()))
        except Exception as error:
            self._channel.close(error)
            tasks.cancel_scope.cancel()

    async def _read_footers(self, files: Sequence[int]) -> list[Footer]:
        return await self._pool.run(lambda: [self._footer(file) for file in files])

    def _footer(self, file: int) -> Footer:
        with self._files.open(file) as source:
            return read_footer(
                source,
                self._projection,
                num_records=int(self._plan.live_rows[file]),
                context=self._files.context(file, stage="footer"),
            )

    def _estimate(self, read: WindowRead) -> int:
        """Return the bytes of a window: its rows, and while they are permuted the row groups they come from."""
        if not self._order.options.shuffle:
            return read.window.nbytes
        largest = sorted((part.nbytes for part in read.window.slices), reverse=True)
        return read.window.nbytes + sum(largest[: self._pool.num_threads])

    async def _read_window(
        self, key: Hashable, read: WindowRead, charge: Charge, slot: Slot[LaneChunk]
    ) -> None:
        window = read.window
        self.num_windows += 1
        try:
            positions = None
            if self._order.options.shuffle:
                positions = await self._pool.run(window.positions)
            builder = ChunkBuilder(
                self._plan.layout,
                positions,
                start=window.start,
                stop=window.stop,
                memory=WindowMemory(self._buffers, charge),
                transform_slots=self._transform_slots,
            )
            starts = accumulate((part.num_rows for part in window.slices), initial=0)
            jobs = [
                (builder, part, start, read.footers[part.file])
                for part, start in zip(window.slices, starts, strict=False)
            ]
            if len(jobs) == 1:
                await self._pool.run(self._decode, *jobs[0])
            else:
                async with anyio.create_task_group() as tasks:
                    for job in jobs:
                        tasks.start_soon(self._pool.run, self._decode, *job)
            slot.set((key, builder.finish()))
        except BaseExceptionGroup as group:
            slot.fail(_first(group))
        except Exception as error:
            slot.fail(error)

    def _decode(self, builder: ChunkBuilder, part: WindowSlice, start: int, footer: Footer) -> None:
        context = self._files.context(part.file, stage="decode", row_group=part.row_group)
        with self._files.open(part.file) as source:
            columns = decode_row_group(
                source,
                footer,
                part.row_group,
                self._projection,
                self._plan.partition(part.file),
                start=part.start,
                stop=part.stop,
                context=context,
            )
        rows = slice(start, start + part.num_rows)
        builder.add(columns, rows, context=context, first_row=part.start)
        self.num_row_groups += 1


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group that is no cancellation."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
