"""Owns how much of a body is taken at once: by how fast bodies came lately."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

_MIN_CHUNK_NBYTES = 256 << 10
"""At the slowest rate that is waited for it takes a second."""

_MAX_CHUNK_NBYTES = 8 << 20

_CHUNK_S = 0.1
"""A chunk is a turn of the loop, of Python whose code has left the processor's cache: 80 us. At 10 chunks a second that
is nothing, and a body that stalls is still seen at once."""

_NUM_BODIES = 8


class Pace:
    """The rates of the last bodies of one client."""

    def __init__(self) -> None:
        self._rates: deque[float] = deque(maxlen=_NUM_BODIES)

    def __repr__(self) -> str:
        return f"<Pace {self.chunk_nbytes()} bytes>"

    def came(self, nbytes: int, elapsed_s: float) -> None:
        """Note that a body of `nbytes` came in so many seconds. Small ones tell nothing."""
        if nbytes >= _MIN_CHUNK_NBYTES:
            self._rates.append(nbytes / max(elapsed_s, 1e-6))

    def broke_off(self) -> None:
        """Note that a body failed, or took too long: what is known of the rate no longer holds."""
        self._rates.clear()

    def chunk_nbytes(self) -> int:
        """Return how many bytes of the next body are to be taken at once: what comes in a tenth of a second."""
        slowest = min(self._rates, default=0.0)
        return max(_MIN_CHUNK_NBYTES, min(_MAX_CHUNK_NBYTES, int(slowest * _CHUNK_S)))
