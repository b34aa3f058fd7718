"""Owns how the value of an option is written: what deltalake's parsers take, and Python's own types."""

from __future__ import annotations

import re
from datetime import timedelta

from deltastream.errors import OptionError
from deltastream.storage.meanings import Kind

__all__ = ["canonical_value", "duration_s", "is_true"]

# As object_store's `ConfigValue for bool`.
_TRUE = frozenset({"1", "true", "on", "yes", "y"})
_FALSE = frozenset({"0", "false", "off", "no", "n"})

_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
# As the crate humantime, which object_store parses durations with; a bare number is seconds, as in Python's clients.
_SECONDS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ns", "nsec", "nanos"), 1e-9),
    **dict.fromkeys(("us", "usec", "micros"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millis"), 1e-3),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}


def canonical_value(shown: str, value: object, kind: Kind) -> str:
    """Return `value` as deltalake writes it; OptionError names `shown`, and never the value, which may be a secret."""
    match kind:
        case Kind.FLAG | Kind.PAYER:
            return _flag(shown, value, payer=kind is Kind.PAYER)
        case Kind.DURATION:
            return _duration(shown, value)
        case Kind.COUNT:
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if not isinstance(value, str) or not value.strip().isdecimal():
                raise OptionError(f"{shown} is no whole number")
            return value.strip()
        case Kind.TEXT | Kind.URL:
            if not isinstance(value, str):
                raise OptionError(f"{shown} is no text, but {type(value).__name__}")
            return value.rstrip("/") if kind is Kind.URL else value


def is_true(value: str | None) -> bool:
    """Return whether a canonical flag is set and true."""
    return value == "true"


def duration_s(value: str) -> float:
    """Return the seconds of a canonical duration."""
    return int(value.removesuffix("ms")) / 1000


def _flag(shown: str, value: object, *, payer: bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _TRUE or (payer and text == "requester"):
            return "true"
        if text in _FALSE:
            return "false"
        if payer and text:
            return value.strip()
    raise OptionError(f"{shown} is neither true nor false")


def _duration(shown: str, value: object) -> str:
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _spans(value)
    else:
        seconds = -1
    if not 0.001 <= seconds <= 86400 * 365:
        raise OptionError(f'{shown} is no duration such as "30s", "1m 30s" or "500ms"')
    return f"{round(seconds * 1000)}ms"


def _spans(text: str) -> float:
    seconds, at = 0.0, 0
    text = text.rstrip()
    while at < len(text):
        span = _SPAN.match(text, at)
        if span is None or span[2].lower() not in _SECONDS:
            return -1
        seconds += float(span[1]) * _SECONDS[span[2].lower()]
        at = span.end()
    return seconds
