"""Owns what becomes of a request: a function of seed, request and how often it came, not of when it came."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from threading import Lock

from tests.support.faults.settings import Latency, Rule, Settings

__all__ = ["Choice", "Chooser"]

_Z99 = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True, slots=True)
class Choice:
    """What happens to one request."""

    latency_s: float
    rule: Rule | None
    position: float
    """Where in the body it happens, from 0 up to 1."""
    flip: int
    """What the byte that is corrupted is combined with by exclusive or."""


class Chooser:
    """Draws for each request; the same requests meet the same, in whatever order they come."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._only = [re.compile(rule.only) for rule in settings.rules]
        self._seen: Counter[str] = Counter()
        self._lock = Lock()

    def choose(self, request: str) -> Choice:
        """`request` is ``METHOD /path?query RANGE``."""
        with self._lock:
            times = self._seen[request]
            self._seen[request] += 1
        random = Random(f"{self._settings.seed} {request} {times}")
        latency_s = _draw(self._settings.latency, random)
        position, flip = random.random(), random.randrange(1, 256)
        for rule, only in zip(self._settings.rules, self._only, strict=True):
            hits = random.random() < rule.probability and (rule.first is None or times < rule.first)
            if hits and only.search(request):
                return Choice(latency_s, rule, position, flip)
        return Choice(latency_s, None, position, flip)


def _draw(latency: Latency, random: Random) -> float:
    if latency.kind == "fixed":
        return latency.low_s
    if latency.kind == "uniform":
        return random.uniform(latency.low_s, latency.high_s)
    sigma = math.log(latency.high_s / latency.low_s) / _Z99
    return random.lognormvariate(math.log(latency.low_s), sigma)
