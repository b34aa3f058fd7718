"""Owns how long the next byte is waited for: by how long the bytes of a store were waited for lately."""

from __future__ import annotations

from collections import deque

from deltastream.storage.policy import FaultPolicy

__all__ = ["Patience"]

_NUM_ANSWERS = 64
_MIN_ANSWERS = 8
_QUANTILE = 0.9
_FACTOR = 5
"""Of lognormal latencies with a median of 30 ms and a 99th percentile of 300 ms one in ten is over 0.1 s, one in 400
over 0.5 s: so rarely is a request made twice for nothing, and one that is never answered costs half a second."""


class Patience:
    """The longest waits of the last answers of one store.

    Those that were broken off count as long as they lasted: where the store gets slower for all, patience follows at
    once; where it leaves one request in a hundred without an answer, it does not.
    """

    def __init__(self, policy: FaultPolicy) -> None:
        self._policy = policy
        self._waits_s: deque[float] = deque(maxlen=_NUM_ANSWERS)

    def __repr__(self) -> str:
        return f"<Patience {self.stall_s(1):.2f} s>"

    def waited(self, wait_s: float) -> None:
        """Note the longest time without a byte of one answer, or how long there was none."""
        self._waits_s.append(wait_s)

    def stall_s(self, num_fruitless: int) -> float:
        """Return the time without a byte after which an attempt is broken off.

        Args:
            num_fruitless: Attempts in a row that bring nothing, this one among them: each is twice as patient.
        """
        policy = self._policy
        if len(self._waits_s) < _MIN_ANSWERS:
            return policy.stall_s
        usual_s = sorted(self._waits_s)[int(len(self._waits_s) * _QUANTILE)]
        wanted_s = max(policy.least_stall_s, _FACTOR * usual_s)
        return min(policy.stall_s, wanted_s * float(1 << min(num_fruitless - 1, 8)))
