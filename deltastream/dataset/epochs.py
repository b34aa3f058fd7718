"""Owns the count of epochs, and where the next one begins, where the parent and its workers all see it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import get_worker_info

from deltastream.batch import new_shared_memory
from deltastream.errors import OptionError
from deltastream.options import whole_number

__all__ = ["EpochCounter", "Position"]

_MAX_WORKERS = 256
_RECENT = 8
"""Iterations that may begin before the last worker of an older one has: more than anybody has open at once."""

_EPOCH_BITS = 24
_EPOCH_MASK = (1 << _EPOCH_BITS) - 1
_LAST_SEED, _NUM_REPEATS, _BASE, _START, _ASSIGNED, _ASSIGNED_START, _LANES, _USED_LANES, _PLAN = (
    range(9)
)
_NOTES = slice(9, 9 + _RECENT)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the sequence of all epochs: before microbatch `microbatch` of epoch `epoch`."""

    epoch: int
    microbatch: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "epoch", whole_number("epoch", self.epoch, least=0))
        if self.epoch >= _EPOCH_MASK // 2:
            raise OptionError(f"epoch must be below {_EPOCH_MASK // 2}, got {self.epoch}")
        if self.microbatch < 0:
            raise OptionError(f"need a microbatch >= 0, got {self.microbatch}")


class EpochCounter:
    """Tells every process that begins to iterate where: in which epoch, and at which of its microbatches.

    The parent counts, where it knows of the iteration: in its own process, and for the workers of a `DeltaDataLoader`.
    The workers of a plain DataLoader agree among themselves, without a lock: they get one seed for each ``iter()``,
    whose hash tags the iteration. The first to come takes the next number and notes it with the tag, the others find it
    there; two that come at once take the same number, since neither sees the other's. All of it in shared memory,
    because a persistent worker never sees an attribute set later in the parent.
    """

    def __init__(self) -> None:
        # Row 0 is the parent's, row 1 + w worker w's; a row is written by its process alone, but for `set`. A note
        # holds tag and epoch + 1 in one word, so that whoever sees one sees the other.
        width = _NOTES.stop
        self._shared: torch.Tensor = new_shared_memory((1 + _MAX_WORKERS) * width * 8).view(
            torch.int64
        )
        self._rows()[:] = 0
        self._pid = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Multiprocessing hands shared memory on; copy and pickle make it memory of this process alone.
        if not self._shared.is_shared():  # type: ignore[no-untyped-call]
            self._copy()

    def keep_to_process(self) -> None:
        """Count alone from here on, if this is no longer the process of the count, and none of its workers."""
        if self._pid != os.getpid() and get_worker_info() is None:
            self._copy()

    def _copy(self) -> None:
        rows = self._rows().copy()
        self._shared = new_shared_memory(rows.nbytes).view(torch.int64)
        self._rows()[:] = rows
        self._pid = os.getpid()

    def set(self, position: Position) -> None:
        """Make the next iteration begin at `position`.

        Workers that take up their states set the same epoch, each before it notes it.
        """
        rows = self._rows()
        rows[:, _NOTES] = 0
        rows[0, _START] = position.microbatch
        rows[0, _BASE] = position.epoch

    def next(self) -> Position:
        """Return where the next iteration begins."""
        rows = self._rows()
        return self._at(rows, _next(rows))

    def assign(self) -> Position:
        """Return where an iteration begins, and keep it for the workers that are to ask; in the parent."""
        position = self.next()
        rows = self._rows()
        rows[0, _ASSIGNED] = position.epoch
        rows[0, _ASSIGNED_START] = position.microbatch
        return position

    def assigned(self) -> Position:
        """Return what the parent assigned last."""
        row = self._rows()[0]
        return Position(int(row[_ASSIGNED]), int(row[_ASSIGNED_START]))

    def advance(self, position: Position) -> None:
        """Count the iteration that began at `position`, unless it was counted, or `set` said something else since."""
        if self.next() == position:
            rows = self._rows()
            rows[0, _START] = 0
            rows[0, _BASE] = position.epoch + 1

    def begin_in_worker(self, worker: int, seed: int, *, epoch: int | None = None) -> Position:
        """Return where the iteration begins that a worker belongs to; `seed` is the same for all its workers.

        `epoch`: that of the state which the worker takes up.

        Raises:
            OptionError: There are more workers than can be counted.
        """
        if worker >= _MAX_WORKERS:
            raise OptionError(f"at most {_MAX_WORKERS} DataLoader workers, this is number {worker}")
        rows = self._rows()
        own = rows[1 + worker]
        # A persistent worker keeps its seed, and a user may set torch's for each epoch: then it is a repeat.
        is_repeat = own[_LAST_SEED] == seed
        own[_NUM_REPEATS] = own[_NUM_REPEATS] + 1 if is_repeat else 0
        own[_LAST_SEED] = seed
        tag = _tag(seed, int(own[_NUM_REPEATS]))
        # One look for both questions: a note that comes between two would be missed by one and counted by the other.
        seen = rows.copy()
        if epoch is None:
            notes = seen[:, _NOTES]
            found = notes[notes >> _EPOCH_BITS == tag]
            epoch = (int(found[0]) & _EPOCH_MASK) - 1 if len(found) else _next(seen)
        _note(own, epoch, tag=tag)
        return self._at(seen, epoch)

    @property
    def counts_in_workers(self) -> bool:
        """Whether workers of a plain DataLoader have begun iterations since the parent began one, or `set` did."""
        rows = self._rows()
        return _next(rows) > int(rows[0, _BASE])

    @property
    def lanes(self) -> int | None:
        """How many lanes every iteration has, by a state that was loaded; None: by what each one chooses."""
        return int(self._rows()[0, _LANES]) or None

    @lanes.setter
    def lanes(self, lanes: int) -> None:
        self._rows()[0, _LANES] = lanes

    @property
    def used_lanes(self) -> int | None:
        """How many lanes the latest iteration of any process has; None: there was none."""
        return int(self._rows()[0, _USED_LANES]) or None

    @used_lanes.setter
    def used_lanes(self, lanes: int) -> None:
        self._rows()[0, _USED_LANES] = lanes

    @property
    def plan_number(self) -> int:
        """Which plan is read: a worker that has another one was started before it was replaced."""
        return int(self._rows()[0, _PLAN])

    @plan_number.setter
    def plan_number(self, number: int) -> None:
        self._rows()[0, _PLAN] = number

    def _at(self, rows: npt.NDArray[np.int64], epoch: int) -> Position:
        start = int(rows[0, _START]) if epoch == rows[0, _BASE] else 0
        return Position(epoch, start)

    def _rows(self) -> npt.NDArray[np.int64]:
        rows: npt.NDArray[np.int64] = self._shared.numpy().reshape(1 + _MAX_WORKERS, -1)
        return rows


def _next(rows: npt.NDArray[np.int64]) -> int:
    return max(int((rows[:, _NOTES] & _EPOCH_MASK).max()), int(rows[0, _BASE]))


def _note(row: npt.NDArray[np.int64], epoch: int, *, tag: int) -> None:
    row[_NOTES][epoch % _RECENT] = tag << _EPOCH_BITS | (epoch + 1)


def _tag(seed: int, num_repeats: int) -> int:
    """Return 39 bits, so that a tag and an epoch are a positive int64; 0, the parent's, is no worker's."""
    digest = blake2b(f"{seed}/{num_repeats}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % ((1 << 39) - 1) + 1
