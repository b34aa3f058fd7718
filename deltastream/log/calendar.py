"""Owns dates and timestamps written in ways that Arrow does not parse: of any year, and without leading zeros."""

from __future__ import annotations

import re
from datetime import date, timedelta

__all__ = ["days_of", "microseconds_of"]

_DATE = re.compile(r"([+-]?\d{4,7})-(\d{1,2})-(\d{1,2})", re.ASCII)
_TIME = re.compile(
    r"[ T](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6})0*)?(?:(Z)|([+-])(\d{2}):?(\d{2}))?",
    re.ASCII,
)
_EPOCH = date(1970, 1, 1).toordinal()
# The Gregorian calendar repeats: Python's, which has the years 1 to 9999, serves for all.
_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097


def days_of(text: str) -> int:
    """Return the days since 1970-01-01, in the proleptic Gregorian calendar; ValueError where it is no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no date such as 2026-01-31")
    return _days(match)


def microseconds_of(text: str, *, in_utc: bool) -> int:
    """Return the microseconds since 1970-01-01 00:00:00; ValueError where it is no timestamp, or no date.

    Args:
        in_utc: Whether a zone may be named; without one it is UTC.
    """
    on = _DATE.match(text)
    at = None if on is None else _TIME.fullmatch(text, on.end())
    if on is None or (at is None and on.end() < len(text)):
        raise ValueError(f"{text!r} is no timestamp such as 2026-01-31 12:00:00.123456")
    since = timedelta(0)
    if at is not None:
        hour, minute, second = int(at[1]), int(at[2]), int(at[3])
        if hour > 23 or minute > 59 or second > 59:
            raise ValueError(f"{text!r} has a time of day that is none")
        if not in_utc and (at[5] or at[6]):
            raise ValueError(f"{text!r} names a zone")
        micros = int((at[4] or "").ljust(6, "0"))
        since = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)
        if at[6]:
            ahead = timedelta(hours=int(at[7]), minutes=int(at[8]))
            since += -ahead if at[6] == "+" else ahead
    return _days(on) * 86_400_000_000 + since // timedelta(microseconds=1)


def _days(match: re.Match[str]) -> int:
    cycles, year = divmod(int(match[1]), _CYCLE_YEARS)
    # Year 0 of a cycle is a leap year, as 400 is.
    within = date(year + _CYCLE_YEARS, int(match[2]), int(match[3])).toordinal()
    return within + (cycles - 1) * _CYCLE_DAYS - _EPOCH
