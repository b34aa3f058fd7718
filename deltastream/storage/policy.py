"""Owns what is done about a fault: pure decisions on how long to wait for an answer, and when to ask again."""

from __future__ import annotations

from dataclasses import dataclass

from deltastream.errors import OptionError
from deltastream.options import (
    BACKOFF_MAX_S,
    BACKOFF_S,
    GIVE_UP_S,
    LEAST_STALL_S,
    MAX_ATTEMPTS,
    SLOW_NBYTES_PER_S,
    SLOWEST_NBYTES_PER_S,
    STALL_S,
)
from deltastream.storage.transport import TransientError

__all__ = ["Attempts", "FaultPolicy"]


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """How patient a request is. An attempt that brought new bytes starts the count and the clock of giving up anew."""

    max_attempts: int = MAX_ATTEMPTS
    """Attempts in a row that bring nothing."""
    give_up_s: float = GIVE_UP_S
    """Time without a new byte after which the request fails; what it waited for bytes that did not come, before others
    came, is part of it."""
    stall_s: float = STALL_S
    """Time without a byte after which an attempt is broken off, at most."""
    least_stall_s: float = LEAST_STALL_S
    """The same, at least, where the store has answered quickly."""
    slow_nbytes_per_s: int = SLOW_NBYTES_PER_S
    """The slowest rate at which an attempt is waited for; it has `stall_s`, and what is missing at this rate."""
    slowest_nbytes_per_s: int = SLOWEST_NBYTES_PER_S
    """The slowest rate of all attempts together; a request has `give_up_s`, and its size at this rate."""
    backoff_s: float = BACKOFF_S
    """The longest wait before the second attempt, doubled before each later one."""
    backoff_max_s: float = BACKOFF_MAX_S

    def __post_init__(self) -> None:
        for name in ("max_attempts", "slow_nbytes_per_s", "slowest_nbytes_per_s"):
            if getattr(self, name) < 1:
                raise OptionError(f"need {name} >= 1, got {getattr(self, name)}")
        for name in ("give_up_s", "stall_s", "least_stall_s", "backoff_s", "backoff_max_s"):
            if not getattr(self, name) > 0:
                raise OptionError(f"need {name} > 0, got {getattr(self, name)}")

    def attempt_s(self, nbytes: int) -> float:
        """Return how long one attempt at `nbytes` bytes may take."""
        return self.stall_s + nbytes / self.slow_nbytes_per_s


class Attempts:
    """The attempts at one request so far."""

    def __init__(self, policy: FaultPolicy, *, nbytes: int, now_s: float) -> None:
        self.number = 0
        self.started_s = now_s
        self._policy = policy
        self._fruitless = 0
        self._progress_s = now_s
        # A store that gives a little and then stops would be given all the time anew by each attempt.
        self._stalled_s = self._lost_s = 0.0
        self._nbytes = nbytes
        # A store that drips a byte now and then makes progress for ever.
        self._ends_s = now_s + policy.give_up_s + nbytes / policy.slowest_nbytes_per_s

    @property
    def num_fruitless(self) -> int:
        """Those in a row that brought nothing, the one under way among them."""
        return self._fruitless

    def begin(self) -> None:
        """Count an attempt."""
        self.number += 1
        self._fruitless += 1

    def progressed(self, now_s: float) -> None:
        """Note that new bytes came."""
        self._fruitless = 0
        self._progress_s = now_s
        self._lost_s += self._stalled_s
        self._stalled_s = 0.0

    def expects(self, nbytes: int) -> None:
        """Note that it is about so many bytes in all; the more there are, the more time they have."""
        more = max(0, nbytes - self._nbytes)
        self._nbytes += more
        self._ends_s += more / self._policy.slowest_nbytes_per_s

    def waited(self, wait_s: float) -> None:
        """Note how long a request waited until it could be made: that time does not count."""
        self.started_s += wait_s
        self._progress_s += wait_s
        self._ends_s += wait_s

    def stalled(self, wait_s: float) -> None:
        """Note how long an attempt waited for a byte until it was broken off."""
        self._stalled_s += wait_s

    def gives_up_s(self) -> float:
        """Return when the request fails, whatever it waits for."""
        return min(self._progress_s + self._policy.give_up_s - self._lost_s, self._ends_s)

    def wait_s(self, error: TransientError, *, now_s: float, chance: float) -> float | None:
        """Return how long to wait before the next attempt after `error`; None: there is none.

        Exponential, with full jitter: `chance` of it, in [0, 1). Those who failed together must not come back together.
        """
        if self._fruitless >= self._policy.max_attempts:
            return None
        policy = self._policy
        # The exponent is bounded: 2**1024 is no float.
        longest = min(policy.backoff_max_s, policy.backoff_s * 2 ** min(self._fruitless, 32) / 2)
        wait = chance * longest
        if error.retry_after_s is not None:
            # What the store asks for is the least; the jitter comes on top.
            wait += error.retry_after_s
        return wait if now_s + wait < self.gives_up_s() else None
