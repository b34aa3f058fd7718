"""Owns how fast bodies go: limits of a connection, of all of them, and the slow start of a new one."""

from __future__ import annotations

import time
from threading import Lock

__all__ = ["Pace", "Rate"]

_BURST_S = 0.005
_MAX_NBYTES = 1 << 20
_FIRST_WINDOW_NBYTES = 10 * 1460
_LAST_WINDOW_NBYTES = 4 << 20


class Rate:
    """So many bytes a second, for one connection or for several; a thread that takes too many sleeps."""

    def __init__(self, nbytes_s: float) -> None:
        self.chunk_nbytes = max(1024, min(int(nbytes_s * _BURST_S), 256 << 10))
        self._nbytes_s = nbytes_s
        self._lock = Lock()
        self._free_at_s = 0.0

    def take(self, nbytes: int) -> None:
        with self._lock:
            now_s = time.monotonic()
            # What was not used is lost, but for as much as a thread may wake up too late.
            start_s = max(self._free_at_s, now_s - _BURST_S)
            self._free_at_s = start_s + nbytes / self._nbytes_s
            wait_s = self._free_at_s - now_s
        if wait_s > 0:
            time.sleep(wait_s)


class Pace:
    """What one connection may send now: `take` waits, and says how many bytes."""

    def __init__(self, rates: list[Rate], slow_start_rtt_s: float | None) -> None:
        self._rates = rates
        self._rtt_s = slow_start_rtt_s
        self._window_nbytes = self._left_nbytes = _FIRST_WINDOW_NBYTES
        self._max_nbytes = min([_MAX_NBYTES, *(rate.chunk_nbytes for rate in rates)])

    def take(self, nbytes: int) -> int:
        nbytes = min(nbytes, self._max_nbytes)
        if self._rtt_s is not None and self._window_nbytes < _LAST_WINDOW_NBYTES:
            if self._left_nbytes == 0:
                time.sleep(self._rtt_s)
                self._window_nbytes *= 2
                self._left_nbytes = self._window_nbytes
            nbytes = min(nbytes, self._left_nbytes)
            self._left_nbytes -= nbytes
        for rate in self._rates:
            rate.take(nbytes)
        return nbytes
