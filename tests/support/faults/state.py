"""Owns what all connections of a proxy share: the settings of now, the counts, the keys that expire, the log."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from tests.support.faults.choice import Chooser
from tests.support.faults.pace import Pace, Rate
from tests.support.faults.settings import Settings
from tests.support.faults.statistics import Counters

__all__ = ["Current", "State"]


class Current:
    """Settings, and what goes with them until there are others."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.chooser = Chooser(settings)
        total_nbytes_s = settings.total_nbytes_s
        self._total = None if total_nbytes_s is None else Rate(total_nbytes_s)

    def pace(self) -> Pace:
        """The pace of a connection."""
        settings = self._settings
        rates = [] if self._total is None else [self._total]
        if settings.connection_nbytes_s is not None:
            rates.append(Rate(settings.connection_nbytes_s))
        return Pace(rates, settings.slow_start_rtt_s)


class State:
    """One proxy. What changes is replaced whole."""

    def __init__(self, settings: Settings, log: Path | None) -> None:
        self.counters = Counters()
        self.current = Current(settings)
        self._ends: Mapping[str, float] = {}
        self._log = None if log is None else log.open("a", buffering=1)
        self._lock = Lock()

    def set(self, settings: Settings) -> None:
        """Take other settings; a connection sees them at its next request, and its slow start begins again."""
        self.current = Current(settings)

    def expire(self, ends: Mapping[str, float]) -> None:
        """Refuse each access key from its time on, in seconds since 1970."""
        with self._lock:
            self._ends = {**self._ends, **ends}

    def has_expired(self, access_key: str) -> bool:
        return self._ends.get(access_key, float("inf")) <= time.time()

    def log(self, request: Mapping[str, Any]) -> None:
        if self._log is not None:
            with self._lock:
                self._log.write(json.dumps(request) + "\n")
