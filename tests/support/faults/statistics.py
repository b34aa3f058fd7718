"""Owns what the proxy counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from threading import Lock

__all__ = ["Counters", "Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a proxy did since it started, or since the last reset."""

    num_requests: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    """Requests by ``METHOD STATUS``; those without an answer by ``METHOD -``."""
    faults: Mapping[str, int] = field(default_factory=dict)
    """Requests that failed, by `Rule.name`; "expired" for those with keys that have expired."""
    received_nbytes: int = 0
    """Bodies of requests."""
    sent_nbytes: int = 0
    """Bodies of answers, as far as they were sent."""
    num_connections: int = 0
    in_flight: int = 0
    """Requests that have come and are not fully answered."""
    max_in_flight: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Statistics:
        return cls(**json.loads(text))


class Counters:
    """The running counts; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._in_flight = 0
        self._clear()

    def _clear(self) -> None:
        self._answers: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._received_nbytes = self._sent_nbytes = 0
        self._num_requests = self._num_connections = 0
        self._max_in_flight = self._in_flight

    def reset(self) -> None:
        with self._lock:
            self._clear()

    def connected(self) -> None:
        with self._lock:
            self._num_connections += 1

    def begin(self) -> None:
        with self._lock:
            self._num_requests += 1
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)

    def end(self, answer: str, fault: str | None, received_nbytes: int, sent_nbytes: int) -> None:
        with self._lock:
            self._in_flight -= 1
            self._answers[answer] += 1
            if fault is not None:
                self._faults[fault] += 1
            self._received_nbytes += received_nbytes
            self._sent_nbytes += sent_nbytes

    def statistics(self) -> Statistics:
        with self._lock:
            return Statistics(
                self._num_requests,
                dict(self._answers),
                dict(self._faults),
                self._received_nbytes,
                self._sent_nbytes,
                self._num_connections,
                self._in_flight,
                self._max_in_flight,
            )
