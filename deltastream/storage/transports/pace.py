"""Owns how much of a body is taken at once: by how fast bodies came lately."""

from __future__ import annotations

from collections import deque
from time import monotonic

__all__ = ["Pace"]

_MIN_CHUNK_NBYTES = 256 << 10
"""At the slowest rate that is waited for it takes a second."""

_MAX_CHUNK_NBYTES = 1 << 20
"""A chunk is a turn of the loop, of Python whose code has left the processor's cache: 80 us."""

_CHUNK_S = 0.05
"""A tenth of the shortest time without a byte after which a body counts as stalled."""

_WHOLE_S = 0.25
"""Half of that time. A body that is sure to come so soon is taken in one piece, at half the CPU of chunks of 1 MiB: it
is copied twice less. A connection that breaks loses all of it; none has for a while."""

_NUM_BODIES = 8

_CAREFUL_S = 30.0
"""As long as a request is made again at most: what a connection brings before it breaks must not be lost each time."""


class Pace:
    """The rates of the last bodies of one client."""

    def __init__(self) -> None:
        self._rates: deque[float] = deque(maxlen=_NUM_BODIES)
        self._careful_until_s = 0.0

    def __repr__(self) -> str:
        return f"<Pace {min(self._rates, default=0.0):.0f} bytes/s>"

    def came(self, nbytes: int, elapsed_s: float) -> None:
        """Note that a body of `nbytes` came in so many seconds. Small ones tell nothing."""
        if nbytes >= _MIN_CHUNK_NBYTES:
            self._rates.append(nbytes / max(elapsed_s, 1e-6))

    def broke_off(self) -> None:
        """Note that a body failed, or took too long: for a while chunks are as small as they can be."""
        self._rates.clear()
        self._careful_until_s = monotonic() + _CAREFUL_S

    def chunk_nbytes(self, body_nbytes: int) -> int:
        """Return how many bytes of the next body, which has `body_nbytes`, are to be taken at once."""
        if monotonic() < self._careful_until_s:
            return min(body_nbytes, _MIN_CHUNK_NBYTES)
        slowest = min(self._rates, default=0.0)
        if body_nbytes <= slowest * _WHOLE_S:
            return body_nbytes
        chunk_nbytes = max(_MIN_CHUNK_NBYTES, min(_MAX_CHUNK_NBYTES, int(slowest * _CHUNK_S)))
        return min(body_nbytes, chunk_nbytes)
