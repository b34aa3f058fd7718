"""Owns the count of epochs, where the parent and its workers both see it."""

from __future__ import annotations

import torch

__all__ = ["EpochCounter"]

_MAX_WORKERS = 1023


class EpochCounter:
    """The next epoch of each process that iterates: slot 0 is the parent's, slot ``1 + w`` worker w's.

    Shared memory, because a persistent worker never sees an attribute set later in the parent. Each slot has one
    process at a time that moves it on; all workers start every epoch, so they stay in step without a lock.
    """

    def __init__(self) -> None:
        self._next: torch.Tensor = torch.zeros(1 + _MAX_WORKERS, dtype=torch.int64)
        self._next.share_memory_()  # type: ignore[no-untyped-call]

    def set(self, epoch: int) -> None:
        """Make every process start with `epoch` next."""
        self._next.fill_(epoch)

    def advance(self, worker: int | None) -> int:
        """Return the epoch that a process starts now, and count it; None is the parent."""
        slot = 0 if worker is None else 1 + worker
        epoch = int(self._next[slot])
        self._next[slot] = epoch + 1
        return epoch
