"""Owns what the proxy is told: how slow it is, and which requests fail in which way. Values, as JSON and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

__all__ = ["Fault", "Latency", "Rule", "Settings"]


class Fault(StrEnum):
    """How a request fails."""

    STATUS = "status"
    """Answered with `Rule.status`; the server is not asked."""
    NO_RESPONSE = "no response"
    """The connection is closed without an answer."""
    SILENCE = "silence"
    """Never answered: the connection stays open until the client ends it."""
    RESET = "reset"
    """The connection is reset somewhere in the body."""
    TRUNCATE = "truncate"
    """The connection is closed in good order somewhere in the body."""
    STALL = "stall"
    """The body stops somewhere, and the connection stays open until the client ends it."""
    CORRUPT = "corrupt"
    """One byte of the body is another, in ranges that end before their object does.

    The end of a Parquet file is its footer, which has no checksum: readers ask for it by itself.
    """


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds before a request goes to the server, drawn for each."""

    kind: Literal["fixed", "uniform", "lognormal"] = "fixed"
    low_s: float = 0.0
    """The value of "fixed", the least of "uniform", the median of "lognormal"."""
    high_s: float = 0.0
    """The most of "uniform", the 99th percentile of "lognormal"."""

    @classmethod
    def fixed(cls, latency_s: float) -> Latency:
        return cls("fixed", latency_s, latency_s)

    @classmethod
    def uniform(cls, low_s: float, high_s: float) -> Latency:
        return cls("uniform", low_s, high_s)

    @classmethod
    def lognormal(cls, p50_s: float, p99_s: float) -> Latency:
        return cls("lognormal", p50_s, p99_s)


@dataclass(frozen=True, slots=True)
class Rule:
    """Some requests that fail."""

    fault: Fault
    probability: float = 1.0
    only: str = ""
    """A regular expression, searched in ``METHOD /path?query RANGE``, decoded; the range may be empty."""
    first: int | None = None
    """Only the first so many requests of the same method, path and range; None: all."""
    status: int = 503
    retry_after_s: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"need 0 <= probability <= 1, got {self.probability}")
        re.compile(self.only)

    @property
    def name(self) -> str:
        """The fault, and the status where that is what fails: a key of the statistics."""
        return f"status {self.status}" if self.fault is Fault.STATUS else str(self.fault)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a proxy that may change while it runs. Of several rules the first that hits counts."""

    seed: int = 0
    latency: Latency = field(default_factory=Latency)
    connection_nbytes_s: float | None = None
    """Bytes a second of the bodies of one connection; None: no limit."""
    total_nbytes_s: float | None = None
    """Bytes a second of the bodies of all connections; None: no limit."""
    slow_start_rtt_s: float | None = None
    """A new connection sends ten packets in a round trip of so many seconds, and twice as much in every next one."""
    rules: tuple[Rule, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Settings:
        content: Mapping[str, Any] = json.loads(text)
        rules = tuple(Rule(**{**rule, "fault": Fault(rule["fault"])}) for rule in content["rules"])
        return cls(**{**content, "latency": Latency(**content["latency"]), "rules": rules})
