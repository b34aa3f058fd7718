"""Owns the byte budget of one iterator: who may read ahead, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import anyio

__all__ = ["BudgetStatistics", "ByteBudget", "Charge"]


@dataclass(frozen=True, slots=True)
class BudgetStatistics:
    """The state of a budget, and what waiting for it cost."""

    max_nbytes: int
    used_nbytes: int
    peak_nbytes: int
    """Above `max_nbytes` only while the window that the consumer waits for is larger than what is free."""
    num_waits: int
    """Admissions that had to wait. Many: the consumer is slower than the reader, or the budget is small."""
    num_forced: int
    """Admissions over the budget, because the consumer was waiting for just that window."""


class Charge:
    """Bytes taken from a budget until they are given back; releasing twice is harmless."""

    __slots__ = ("_changes", "_wake", "nbytes")

    def __init__(self, nbytes: int, changes: deque[int], wake: Callable[[], object]) -> None:
        self.nbytes = nbytes
        self._changes = changes
        self._wake = wake

    def __repr__(self) -> str:
        return f"<Charge {self.nbytes} bytes>"

    def reduce(self, nbytes: int) -> None:
        """Give back up to `nbytes` of it: they are charged elsewhere now. One thread at a time."""
        nbytes = min(nbytes, self.nbytes)
        if nbytes > 0:
            self.nbytes -= nbytes
            self._changes.append(-nbytes)
            self._wake()

    def change_to(self, nbytes: int) -> None:
        """Make it `nbytes`, for they are known now; more are counted without waiting. One thread at a time."""
        self._changes.append(nbytes - self.nbytes)
        self.nbytes = nbytes
        self._wake()

    def release(self) -> None:
        """Give all of it back; from any thread, also from a finalizer."""
        self.reduce(self.nbytes)


class ByteBudget:
    """Grants bytes to one reader, in the order in which it asks: the order of consumption.

    `acquire()` belongs to the loop and to a single task, so a grant is never overtaken: a lane read ahead cannot
    starve the lane that is due. Charges may be added and released from any thread.
    """

    def __init__(
        self,
        max_nbytes: int,
        *,
        call_soon: Callable[[Callable[[], object]], object],
        trim_idle: Callable[[int], object] = lambda max_idle_nbytes: None,
    ) -> None:
        """`call_soon` runs a function on the loop; `trim_idle(n)` frees idle buffers until at most n bytes stay."""
        if max_nbytes < 1:
            raise ValueError(f"need max_nbytes >= 1, got {max_nbytes}")
        self._max_nbytes = max_nbytes
        self._call_soon = call_soon
        self._trim_idle = trim_idle
        # A finalizer can run between any two bytecodes of any thread, so that a lock here could meet itself:
        # changes go through a deque, whose append is atomic, and only the loop adds them up.
        self._changes: deque[int] = deque()
        self._used_nbytes = 0
        self._peak_nbytes = 0
        self._num_waits = 0
        self._num_forced = 0
        self._num_in_flight = 0
        self._starving = False
        self._waiting = False
        self._woken = False
        self._news = anyio.Event()

    def __repr__(self) -> str:
        state = "waiting" if self._waiting else "open"
        return f"<ByteBudget {state}, {self._used_nbytes} of {self._max_nbytes} bytes>"

    @property
    def max_nbytes(self) -> int:
        return self._max_nbytes

    async def acquire(self, nbytes: int) -> Charge:
        """Wait until `nbytes` fit, or until the consumer waits and nothing that was granted is still on its way."""
        if not self._admits(nbytes):
            self._num_waits += 1
            self._waiting = True
            try:
                # A release between the last look and `_waiting = True` woke nobody: look again before each wait.
                while not self._admits(nbytes):
                    await self._news.wait()
                    self._news = anyio.Event()
            finally:
                self._waiting = False
        if self._used_nbytes + nbytes > self._max_nbytes:
            self._num_forced += 1
        self._trim_idle(max(0, self._max_nbytes - self._used_nbytes - nbytes))
        self._num_in_flight += 1
        self._count(nbytes)
        return Charge(nbytes, self._changes, self._wake)

    def charge(self, nbytes: int) -> Charge:
        """Count bytes that exist already, without waiting; from any thread."""
        self._changes.append(nbytes)
        return Charge(nbytes, self._changes, self._wake)

    def feed(self) -> None:
        """Note that the consumer gets something now: it no longer waits."""
        self._starving = False

    def arrived(self) -> None:
        """Note that one grant is no longer on its way."""
        self._num_in_flight -= 1
        self._look()

    def starve(self) -> None:
        """Say from any thread that the consumer waits for the next grant."""
        self._starving = True
        self._wake()

    def close(self) -> None:
        """Forget whom to call."""
        self._call_soon = lambda callback: None
        self._trim_idle = lambda max_idle_nbytes: None

    def statistics(self) -> BudgetStatistics:
        # Changes are added up when something is asked for.
        used_nbytes = self._used_nbytes + sum(self._changes.copy())
        return BudgetStatistics(
            self._max_nbytes,
            used_nbytes,
            max(self._peak_nbytes, used_nbytes),
            self._num_waits,
            self._num_forced,
        )

    def _admits(self, nbytes: int) -> bool:
        while self._changes:
            self._count(self._changes.popleft())
        # 1. It fits. 2. Larger than what is free, but nothing else can end the consumer's wait.
        fits = self._used_nbytes + nbytes <= self._max_nbytes
        return fits or (self._starving and self._num_in_flight == 0)

    def _count(self, nbytes: int) -> None:
        self._used_nbytes += nbytes
        self._peak_nbytes = max(self._peak_nbytes, self._used_nbytes)

    def _wake(self) -> None:
        # Once until it was looked at: a chunk of 34 columns gives its bytes back 34 times.
        if self._waiting and not self._woken:
            self._woken = True
            self._call_soon(self._look)

    def _look(self) -> None:
        self._woken = False
        self._news.set()
