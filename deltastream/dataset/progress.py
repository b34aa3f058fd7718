"""Owns where a dataset's iterations begin, how far the latest has come, and what that is as a state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any

from torch.utils.data._utils.worker import WorkerInfo

from deltastream.dataset.cursor import Cursor
from deltastream.dataset.epochs import EpochCounter, Position
from deltastream.dataset.lanes import automatic_lanes
from deltastream.dataset.plan import BatchPlan
from deltastream.dataset.planning import BatchRequest
from deltastream.dataset.resume import check_fit, describe, plan_of_state, position_of_state
from deltastream.dataset.state import LoaderState
from deltastream.dataset.topology import Topology
from deltastream.errors import OptionError
from deltastream.plan import Consumer, Schedule

__all__ = ["Progress"]


class Progress:
    """The iterations of one dataset: in its own process all of them, in a worker's copy the worker's share."""

    def __init__(self, request: BatchRequest, plan: BatchPlan, topology: Topology) -> None:
        self._request = request
        self._topology = topology
        self.plan = plan
        self._plan_number = 0
        self._epochs = EpochCounter()
        self._beginning = Lock()
        """Two threads may begin an iteration at once: each has an epoch of its own."""
        self._cursor: Cursor | None = None
        """The latest iteration; None: none yet, or it was set where the next one begins."""
        self._is_handed = False
        self._handed: Position | None = None
        self._taken_up: LoaderState | None = None
        self._is_loaded = False
        """Whether a state was loaded that no batch was taken from yet in this process."""
        self.num_workers = 1
        """Of the loader that has the dataset, as far as it said so."""
        # A contradiction between ranks and batches is an error here, not in the first epoch.
        self._schedule(topology.consumer(), 0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cursor": None, "_beginning": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _beginning=Lock())

    def epoch_steps(self) -> int:
        """Return how many batches this rank has in a whole epoch."""
        return self._schedule(self._topology.consumer(), 0).num_steps

    def num_steps(self) -> int:
        """Return how many batches this rank has in the iteration at hand, or else in the next one."""
        if self._cursor is not None and not self._cursor.is_ended:
            return self._cursor.schedule.num_steps
        return self._schedule(self._topology.consumer(), self._epochs.next().microbatch).num_steps

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch `epoch`, from its start; or from a state that was just loaded and is in it."""
        self._epochs.keep_to_process()
        if self._is_waiting and self._epochs.next().epoch == epoch:
            # Every training loop, and every trainer, sets the epoch that it goes on in.
            return
        self._epochs.set(Position(epoch, 0))
        self._is_loaded = False
        self._cursor = None

    def begin(self) -> Cursor:
        """Begin an iteration of the dataset's own process."""
        with self._beginning:
            self._epochs.keep_to_process()
            return self._begin(self._epochs.next(), num_workers=1)

    @contextmanager
    def hand_to_workers(self, num_workers: int) -> Iterator[Cursor]:
        """Begin an iteration whose batches the workers read that are started, or woken, within."""
        with self._beginning:
            self._epochs.keep_to_process()
            self._handed = self._epochs.assign()
            self._is_handed = True
            try:
                yield self._begin(self._handed, num_workers=num_workers)
            finally:
                self._is_handed, self._handed = False, None

    def begin_in_worker(self, worker: WorkerInfo) -> Cursor:
        """Begin this worker's share of an iteration.

        Raises:
            OptionError: The worker was started before a state was loaded that needs another plan.
        """
        if self._plan_number != self._epochs.plan_number:
            raise OptionError(
                f"this worker reads version {self.plan.snapshot.version}, as it was started, and a state of another "
                "one was loaded since: make a new DataLoader of the dataset, whose workers start anew"
            )
        num_taken = 0
        if self._taken_up is not None:
            state, self._taken_up = self._taken_up, None
            self._epochs.begin_in_worker(worker.id, worker.seed - worker.id, epoch=state.epoch)
            position = Position(state.epoch, state.next_microbatch)
            num_taken = state.num_batches or 0
        elif self._is_handed:
            # It came along with this copy of the dataset; a persistent worker's next one is in shared memory.
            position, self._handed = self._handed or self._epochs.assigned(), None
        else:
            position = self._epochs.begin_in_worker(worker.id, worker.seed - worker.id)
        consumer = self._topology.consumer(worker.num_workers, worker.id)
        schedule = self._schedule(consumer, position.microbatch)
        lanes = self._epochs.used_lanes = self._lanes(worker.num_workers)
        self._cursor = Cursor(position, schedule, lanes)
        self._cursor.num_taken = num_taken
        return self._cursor

    def state(self, num_workers: int) -> LoaderState:
        """Return the state of a loader with `num_workers` workers, in the dataset's own process.

        Raises:
            OptionError: The latest iteration is one that workers began by themselves.
        """
        if self._epochs.counts_in_workers:
            raise OptionError(
                "workers of a DataLoader iterate this dataset, and nobody here counts what it gave of them: ask a "
                "DeltaDataLoader or a StatefulDataLoader for its own state_dict(); or call set_epoch with the next "
                "epoch where one ends"
            )
        cursor = self._cursor
        position = self._epochs.next() if cursor is None else cursor.position()
        return self._describe(position, self.lanes(num_workers))

    def lanes(self, num_workers: int) -> int:
        """Return how many lanes the iteration at hand has, or else the next one of a loader with `num_workers`."""
        return self._lanes(num_workers) if self._cursor is None else self._cursor.lanes

    def used_lanes(self) -> int:
        """Return how many lanes the latest iteration had, in whatever process, or else the first one will have."""
        if self._cursor is not None:
            return self._cursor.lanes
        return self._epochs.lanes or self._epochs.used_lanes or self._lanes(self.num_workers)

    def worker_state(self, worker: WorkerInfo) -> LoaderState:
        """Return the state of the worker that this is."""
        cursor = self._cursor
        if cursor is None:
            raise OptionError("this worker's dataset was not iterated yet: it has no state")
        state = self._describe(cursor.began, cursor.lanes)
        return replace(
            state, num_workers=worker.num_workers, worker=worker.id, num_batches=cursor.num_taken
        )

    def load(self, state: LoaderState, worker: WorkerInfo | None) -> None:
        """Make the next iteration go on where `state` was; in a `worker`, whose state it then has to be.

        Raises:
            OptionError: It does not fit.
            VersionNotFoundError: The commits of its version were cleaned.
        """
        here = (None, None) if worker is None else (worker.num_workers, worker.id)
        if here != (state.num_workers, state.worker):
            raise OptionError(
                f"this is the state of {_owner(state.num_workers, state.worker)}, loaded into {_owner(*here)}: the "
                "state of a worker goes back through the StatefulDataLoader that saved it, with as many workers"
            )
        pad, lanes = self._topology.pad, self._topology.lanes
        plan = plan_of_state(state, self._request, self.plan, pad=pad, may_open=worker is None)
        found = describe(self._request, plan, Position(0, 0), lanes=state.lanes, pad=pad)
        check_fit(state, found, lanes=None if lanes == "auto" else lanes)
        position = position_of_state(state, plan)
        self._epochs.keep_to_process()
        if plan is not self.plan:
            self.plan = plan
            if worker is None:
                self._plan_number = self._epochs.plan_number = self._plan_number + 1
        self._epochs.lanes = state.lanes
        self._epochs.set(position)
        if worker is None:
            self._is_loaded = True
        else:
            self._taken_up = state
        self._cursor = None

    def _begin(self, position: Position, *, num_workers: int) -> Cursor:
        schedule = self._schedule(self._topology.consumer(), position.microbatch)
        lanes = self._epochs.used_lanes = self._lanes(num_workers)
        self._cursor = Cursor(position, schedule, lanes, on_begin=self._count)
        # torchdata's loader begins an iteration when a state is loaded, and another one if that was of an epoch's end.
        if not self._is_waiting:
            self._count(position)
        return self._cursor

    @property
    def _is_waiting(self) -> bool:
        """Whether a state was loaded that no iteration, here or in workers, has taken up."""
        return self._is_loaded and not self._epochs.counts_in_workers

    def _count(self, position: Position) -> None:
        self._is_loaded = False
        self._epochs.advance(position)

    def _describe(self, position: Position, lanes: int) -> LoaderState:
        return describe(self._request, self.plan, position, lanes=lanes, pad=self._topology.pad)

    def _lanes(self, num_workers: int) -> int:
        """Return the number that all ranks and all workers come to."""
        if self._topology.lanes != "auto":
            return self._topology.lanes
        consumer, budget = self._topology.consumer(num_workers), self._topology.budget(num_workers)
        return self._epochs.lanes or automatic_lanes(self.plan, consumer, budget)

    def _schedule(self, consumer: Consumer, start: int) -> Schedule:
        plan = self.plan
        return Schedule(plan.num_microbatches, start, consumer, plan.pad, plan.order.drop_last)


def _owner(num_workers: int | None, worker: int | None) -> str:
    return "a loader" if worker is None else f"worker {worker} of {num_workers}"
