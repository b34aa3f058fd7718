"""Owns the loop's side of an iterator: from the schedule to chunks in the channel, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic

import anyio
from anyio.abc import TaskGroup

from deltastream.decode import Footer
from deltastream.engine.budget import ByteBudget, Charge
from deltastream.engine.buffers import BufferPool
from deltastream.engine.channel import Channel
from deltastream.engine.pool import DecodePool
from deltastream.engine.slots import OrderedSlots
from deltastream.errors import ReadError
from deltastream.fetch import DataFiles, DeletionVectors, FetchStatistics, open_data_files
from deltastream.pipeline.ahead import FetchAhead
from deltastream.pipeline.fetched_job import Decode, Done, FetchedFiles, FetchedJob
from deltastream.pipeline.footer_source import FooterSource
from deltastream.pipeline.footers import FooterReader
from deltastream.pipeline.jobs import Job, WindowJobs, divide
from deltastream.pipeline.lane import LaneReader, WindowRead
from deltastream.pipeline.needs import LaneKey, Needs
from deltastream.pipeline.plan import ReadPlan
from deltastream.pipeline.row_groups import place_rows
from deltastream.pipeline.selector import Selector
from deltastream.pipeline.windows import C, LaneChunk, WindowBuilder, WindowChunks
from deltastream.plan import EpochOrder
from deltastream.storage import Storage

__all__ = ["Reader"]

_NOT_FETCHED: FetchedFiles = {}


class Reader(Generic[C]):
    """Reads windows in the order in which the consumer will need them; they are decoded in any order."""

    def __init__(
        self,
        plan: ReadPlan,
        order: EpochOrder,
        chunks: WindowChunks[C],
        pool: DecodePool,
        budget: ByteBudget,
        buffers: BufferPool,
        channel: Channel[LaneChunk[C]],
    ) -> None:
        """`chunks` says what becomes of the decoded row groups."""
        self._plan = plan
        self._order = order
        self._chunks = chunks
        self._files: DataFiles
        self._fetched: Callable[[], FetchStatistics] = FetchStatistics
        self._footers: FooterSource | None = None
        self._ahead: FetchAhead | None = None
        self._pool = pool
        self._budget = budget
        self._buffers = buffers
        self._channel = channel
        self._slots: OrderedSlots[LaneChunk[C]] = OrderedSlots(self._deliver, self._end)
        self._num_decoding = 0
        self._few_decoding = anyio.Event()
        self._ended = anyio.Event()
        self._scope: anyio.CancelScope | None = None
        self.num_windows = 0
        self.num_row_groups = 0

    async def run(self, needs: Needs, storage: Storage) -> None:
        """Read everything that `needs` names into the channel, and close it, with the failure if there is one."""
        plan = self._plan
        files = self._files = open_data_files(plan.snapshot, storage)
        self._fetched = files.statistics
        if files.is_remote:
            self._ahead = FetchAhead(files, plan.snapshot.files["nbytes"].to_numpy())
        vectors = DeletionVectors(plan.snapshot, storage, plan.num_records)
        selector = Selector(plan.snapshot, plan.num_records, plan.row_filter, files, vectors)
        footers = self._footers = FooterSource(plan, files, selector, self._pool)
        try:
            async with anyio.create_task_group() as tasks:
                self._scope = tasks.cancel_scope
                await self._read(
                    needs, FooterReader(tasks, footers.read, self._pool.num_threads), tasks
                )
                self._slots.close()
                await self._ended.wait()
        except BaseExceptionGroup as group:
            self._channel.close(_first(group))
        finally:
            if self._ahead is not None:
                self._ahead.stop()
            self._slots.clear()
            self._channel.close(ReadError("the reader was cancelled"))

    @property
    def num_footers(self) -> int:
        """Footers that were read."""
        return self._footers.num_read if self._footers is not None else 0

    @property
    def footers_nbytes(self) -> int:
        """About how many bytes the footers took that were read."""
        return self._footers.nbytes_read if self._footers is not None else 0

    def fetch_statistics(self) -> FetchStatistics:
        """Return what was fetched so far; callable from any thread."""
        return self._fetched()

    async def _read(self, needs: Needs, footers: FooterReader, tasks: TaskGroup) -> None:
        lanes: dict[LaneKey, LaneReader] = {}
        remote_nbytes = None if self._ahead is None else self._ahead.file_nbytes
        try:
            for key, span in needs:
                lane = lanes.get(key)
                if lane is None:
                    lane = lanes[key] = LaneReader(
                        self._order, span.lane, footers, remote_nbytes=remote_nbytes
                    )
                while lane.stop < span.stop:
                    read = await lane.next_window(span.start)
                    if self._ahead is not None:
                        await self._fetch_window(key, read, self._ahead, tasks)
                    else:
                        await self._wait_for_threads()
                        charge = await self._budget.acquire(self._estimate(read))
                        jobs = divide(read.window.slices, self._pool.num_threads)
                        self._read_window(key, read, charge, jobs, self._submit)
                    lane.prefetch()
        except Exception as error:
            # What was read before it is delivered before it.
            self._slots.reserve().fail(error)

    def _deliver(self, item: LaneChunk[C]) -> bool:
        # Before it is sent: once the consumer has it, it may be starving again.
        self._budget.feed()
        if not self._channel.try_send(item, item[1].nbytes, on_room=self._slots.resume):
            return False
        self._budget.arrived()
        return True

    def _end(self, error: BaseException | None) -> None:
        self._channel.close(error)
        self._ended.set()
        if error is not None and self._scope is not None:
            self._scope.cancel()

    def _estimate(self, read: WindowRead) -> int:
        """Return the bytes of a window: its rows, and while they are copied the row groups they come from.

        A row group that keeps all its rows, and is alone in its window, is not copied without shuffle: its memory
        becomes the window.
        """
        # What a footer says of values that a dictionary holds, or that become objects, may be a small part of them.
        nbytes = max(read.window.nbytes, read.window.num_rows * self._chunks.row_nbytes)
        if self._chunks.holds_decoded:
            return 2 * nbytes
        is_copied = self._order.options.shuffle or len(read.window.slices) > 1
        copied = [
            int(read.footers[part.file].decoded.nbytes[part.row_group])
            if read.footers[part.file].drops_rows(part.row_group)
            else part.nbytes * is_copied
            for part in read.window.slices
        ]
        return nbytes + sum(sorted(copied, reverse=True)[: self._pool.num_threads])

    async def _wait_for_threads(self) -> None:
        """Wait while enough row groups are waiting for the decode threads; then until few are.

        More would only hold memory: buffers that could be used again would be trimmed for windows nobody decodes yet.
        Waking for each single row group would cost the loop a turn each.
        """
        if self._num_decoding >= 3 * self._pool.num_threads:
            self._few_decoding = anyio.Event()
            await self._few_decoding.wait()

    async def _fetch_window(
        self, key: LaneKey, read: WindowRead, ahead: FetchAhead, tasks: TaskGroup
    ) -> None:
        """Begin to fetch the window's row groups as soon as the budget has room for them, encoded and decoded."""
        await ahead.wait_for_room()
        jobs = divide(read.window.slices, self._pool.num_threads)
        fetches = [ahead.plan(job.parts, read.footers) for job in jobs]
        nbytes = sum(fetch.nbytes for fetch in fetches)
        charge = await self._budget.acquire(self._estimate(read) + nbytes)
        # What was granted at once is given back in parts.
        encoded = self._budget.charge(nbytes)
        charge.reduce(nbytes)
        waiting = iter(fetches)

        def submit(decode: Decode, done: Done) -> None:
            FetchedJob(
                next(waiting),
                decode,
                done,
                ahead=ahead,
                tasks=tasks,
                pool=self._pool,
                encoded=encoded,
            ).start()

        self._read_window(key, read, charge, jobs, submit)

    def _submit(self, decode: Decode, done: Done) -> None:
        self._pool.submit(partial(decode, _NOT_FETCHED), done)

    def _read_window(
        self,
        key: LaneKey,
        read: WindowRead,
        charge: Charge,
        jobs: Sequence[Job],
        submit: Callable[[Decode, Done], object],
    ) -> None:
        """Give the window's row groups to the decode pool."""
        window, slot = read.window, self._slots.reserve()
        self.num_windows += 1
        self.num_row_groups += len(window.slices)
        self._num_decoding += len(jobs)
        builder = self._chunks.begin(window, charge, self._buffers)
        under_way = WindowJobs(window, slot, key, builder, len(jobs))
        for job in jobs:
            submit(
                partial(self._decode, builder, job, read.footers),
                partial(self._job_ended, under_way, job),
            )

    def _job_ended(
        self, under_way: WindowJobs[C], job: Job, _: None, error: BaseException | None
    ) -> None:
        self._num_decoding -= 1
        if self._num_decoding <= self._pool.num_threads + 1:
            self._few_decoding.set()
        under_way.ended(job, error)

    def _decode(
        self,
        builder: WindowBuilder[C],
        job: Job,
        footers: dict[int, Footer],
        fetched: FetchedFiles,
    ) -> None:
        job.num_placed = 0
        for part in job.parts:
            footer, found = footers[part.file], fetched.get(part.file)
            row = job.start + job.num_placed
            place_rows(builder, part, row, self._plan, footer, self._files, found)
            job.num_placed += part.num_rows


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group that is no cancellation."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
