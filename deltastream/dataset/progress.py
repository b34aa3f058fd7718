"""Owns the count of epochs, where the parent and its workers all see it."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import torch

from deltastream.batch import new_shared_memory
from deltastream.errors import OptionError

__all__ = ["EpochCounter"]

_MAX_WORKERS = 256
_RECENT = 8
"""Iterations that may begin before the last worker of an older one has: more than anybody has open at once."""

_EPOCH_BITS = 24
_EPOCH_MASK = (1 << _EPOCH_BITS) - 1
_LAST_SEED, _NUM_REPEATS, _BASE, _ASSIGNED = 0, 1, 2, 3
_NOTES = slice(4, 4 + _RECENT)


class EpochCounter:
    """Tells every process that begins to iterate which epoch it is.

    The parent counts, where it knows of the iteration: in its own process, and for the workers of a `DeltaDataLoader`.
    The workers of a plain DataLoader agree among themselves, without a lock: they get one seed for each ``iter()``,
    whose hash tags the iteration. The first to come takes the next number and notes it with the tag, the others find it
    there; two that come at once take the same number, since neither sees the other's. All of it in shared memory,
    because a persistent worker never sees an attribute set later in the parent.
    """

    def __init__(self) -> None:
        # Row 0 is the parent's, row 1 + w worker w's; a row is written by its process alone. A note holds tag and
        # epoch + 1 in one word, so that whoever sees one sees the other.
        width = _NOTES.stop
        self._shared: torch.Tensor = new_shared_memory((1 + _MAX_WORKERS) * width * 8).view(
            torch.int64
        )
        self._rows()[:] = 0

    def set(self, epoch: int) -> None:
        """Make the next iteration epoch `epoch`.

        Raises:
            OptionError: It is negative, or more than can be counted.
        """
        if not 0 <= epoch < _EPOCH_MASK // 2:
            raise OptionError(f"epoch must be in [0, {_EPOCH_MASK // 2}), got {epoch}")
        rows = self._rows()
        rows[:, _NOTES] = 0
        rows[0, _BASE] = epoch

    def begin(self) -> int:
        """Count an iteration and return its epoch; in the parent."""
        rows = self._rows()
        epoch = _next(rows)
        rows[0, _BASE] = epoch + 1
        rows[0, _ASSIGNED] = epoch
        return epoch

    def assigned(self) -> int:
        """Return the epoch that the parent counted last."""
        return int(self._rows()[0, _ASSIGNED])

    def begin_in_worker(self, worker: int, seed: int) -> int:
        """Return the epoch of the iteration that a worker belongs to; `seed` is the same for all its workers.

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
        notes = seen[:, _NOTES]
        found = notes[notes >> _EPOCH_BITS == tag]
        epoch = (int(found[0]) & _EPOCH_MASK) - 1 if len(found) else _next(seen)
        _note(own, epoch, tag=tag)
        return epoch

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
