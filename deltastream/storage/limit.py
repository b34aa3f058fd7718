"""Owns how many requests are in flight: a pure climb towards the best rate, and the queue in front of it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from deltastream.errors import OptionError

__all__ = ["AdaptiveLimit", "LimiterStatistics", "RequestLimiter"]

_REQUEST_NBYTES = 64 << 10
"""What a request costs beside its bytes, as bytes: small requests are work too."""

_MIN_ROUND = 16
"""Requests of which a rate is taken, at least: their latencies spread by ten."""

_CUT = 0.7
_MIN_OVERLOADS = 3
_OVERLOAD_SHARE = 8
"""A store that turns one request in a hundred away is not overloaded: fewer requests would be turned away as often."""

_FIRST_PATIENCE, _LAST_PATIENCE = 4, 64


class AdaptiveLimit:
    """The limit: raised while the rate rises with it, put back where it does not, cut where the store is overloaded.

    A round is as many requests as are in flight at once. In a latency-bound round of half as many requests again the
    rate rises by a half; a raise is kept if it brings a quarter of what it could.
    """

    def __init__(self, *, start: int, minimum: int, maximum: int) -> None:
        if not 1 <= minimum <= start <= maximum:
            raise OptionError(
                f"need 1 <= minimum <= start <= maximum of requests, got {minimum}, {start}, {maximum}"
            )
        self.value = start
        self.num_cuts = 0
        self._minimum = minimum
        self._maximum = maximum
        self._rate: float | None = None
        # The limit before the raise that is being tried, and the rate it had.
        self._before: tuple[int, float] | None = None
        self._is_first_climb = True
        self._patience = _FIRST_PATIENCE
        self._rounds_to_wait = 0
        self._cut_s = float("-inf")
        self._round_start_s: float | None = None
        self._num = 0
        self._num_overloads = 0
        self._work = 0
        self._was_full = True

    def succeeded(self, nbytes: int, *, now_s: float, is_full: bool) -> None:
        """Note a request's end; `is_full`: others waited, so that the limit, and not the asker, set the rate."""
        if self._round_start_s is None:
            # The first one has no interval of its own.
            self._begin_round(now_s)
            return
        self._num += 1
        self._work += nbytes + _REQUEST_NBYTES
        self._was_full &= is_full
        if self._num < max(self.value, _MIN_ROUND):
            return
        elapsed_s = now_s - self._round_start_s
        if self._was_full and elapsed_s > 0:
            self._end_round(self._work / elapsed_s)
        self._begin_round(now_s)

    def overloaded(self, *, started_s: float, now_s: float) -> None:
        """Note that the store was too busy for a request, or never answered it; of several in a round it is cut."""
        if started_s <= self._cut_s:
            # One of those that were in flight when the limit was cut: their number is the old one's.
            return
        self._num_overloads += 1
        if self._num_overloads < max(_MIN_OVERLOADS, self.value // _OVERLOAD_SHARE):
            return
        self._cut_s = now_s
        self.num_cuts += 1
        self.value = max(self._minimum, int(self.value * _CUT))
        self._is_first_climb = False
        self._before = None
        self._wait()
        self._begin_round(now_s)

    def _begin_round(self, now_s: float) -> None:
        self._round_start_s = now_s
        self._num = self._num_overloads = self._work = 0
        self._was_full = True

    def _end_round(self, rate: float) -> None:
        if self._before is not None:
            before, old_rate = self._before
            self._before = None
            if rate < old_rate * (1 + (self.value / before - 1) / 4):
                self.value = before
                self._is_first_climb = False
                self._wait()
                return
            self._patience = _FIRST_PATIENCE
        elif self._rounds_to_wait > 0:
            self._rounds_to_wait -= 1
            return
        raised = min(self._maximum, self.value + self._step())
        if raised > self.value:
            self._before = (self.value, rate)
            self.value = raised

    def _step(self) -> int:
        return max(1, self.value // (2 if self._is_first_climb else 8))

    def _wait(self) -> None:
        self._rounds_to_wait = self._patience
        self._patience = min(self._patience * 2, _LAST_PATIENCE)


@dataclass(frozen=True, slots=True)
class LimiterStatistics:
    """Requests to one store since it was opened."""

    limit: int
    """How many may be in flight now."""
    in_flight: int
    num_waiting: int
    """Never above 0: the reader asks for too little at once; often far above it: the store, or the cores, bound it."""
    max_in_flight: int
    num_requests: int
    """Attempts that ended, whatever came of them."""
    num_cuts: int
    """How often the store was overloaded."""
    nbytes: int
    """Bytes received."""
    wait_s: float
    """Time that requests waited for their turn, summed."""


class RequestLimiter:
    """Lets requests go in the order in which they ask, which is the order in which their bytes are needed."""

    def __init__(
        self, limit: AdaptiveLimit, *, clock: Callable[[], float] = anyio.current_time
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._in_flight = self._max_in_flight = 0
        self._waiting: deque[anyio.Event] = deque()
        self._num_requests = self._nbytes = 0
        self._wait_s = 0.0

    def __repr__(self) -> str:
        return (
            f"<RequestLimiter {self._in_flight} of {self._limit.value} in flight, "
            f"{len(self._waiting)} waiting, {self._num_requests} done>"
        )

    @asynccontextmanager
    async def slot(self, *, is_retry: bool = False) -> AsyncIterator[Slot]:
        """Wait for one's turn, and hold it; who had one already is the next."""
        asked_s = self._clock()
        await self._acquire(is_retry=is_retry)
        started_s = self._clock()
        slot = Slot(started_s, wait_s=started_s - asked_s)
        self._wait_s += slot.wait_s
        try:
            yield slot
        finally:
            self._in_flight -= 1
            self._num_requests += 1
            self._nbytes += slot.nbytes
            self._tell(slot)
            self._let_go()

    def statistics(self) -> LimiterStatistics:
        return LimiterStatistics(
            self._limit.value,
            self._in_flight,
            len(self._waiting),
            self._max_in_flight,
            self._num_requests,
            self._limit.num_cuts,
            self._nbytes,
            self._wait_s,
        )

    async def _acquire(self, *, is_retry: bool) -> None:
        if self._in_flight >= self._limit.value or self._waiting:
            turn = anyio.Event()
            if is_retry:
                self._waiting.appendleft(turn)
            else:
                self._waiting.append(turn)
            try:
                await turn.wait()
            except BaseException:
                if turn.is_set():
                    # It was let go and cancelled at once: the turn is the next one's.
                    self._in_flight -= 1
                    self._let_go()
                else:
                    self._waiting.remove(turn)
                raise
        else:
            self._enter()

    def _let_go(self) -> None:
        while self._waiting and self._in_flight < self._limit.value:
            self._enter()
            self._waiting.popleft().set()

    def _enter(self) -> None:
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)

    def _tell(self, slot: Slot) -> None:
        now_s = self._clock()
        if slot.was_overloaded:
            self._limit.overloaded(started_s=slot.started_s, now_s=now_s)
        elif slot.has_succeeded:
            self._limit.succeeded(slot.nbytes, now_s=now_s, is_full=bool(self._waiting))


@dataclass(slots=True)
class Slot:
    """One request in flight, and what came of it."""

    started_s: float
    wait_s: float
    """How long it waited for its turn."""
    nbytes: int = 0
    has_succeeded: bool = False
    was_overloaded: bool = False
