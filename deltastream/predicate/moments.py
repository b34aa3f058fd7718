"""Owns dates and timestamps: read from text, Python and Arrow, and shown as SQL."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from deltastream.errors import OptionError
from deltastream.predicate.expression import Timestamp

__all__ = ["moment_of", "moment_text", "parse_moment"]

_DAY_NS = 86_400_000_000_000
_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}

_LONG_UNITS = ("Y", "M", "W", "D", "h", "m")

_TEXT = re.compile(
    r"(?P<day>[+-]?\d{4,6}-\d{1,2}-\d{1,2})"
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.](?P<fraction>\d{1,9}))?)?)?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?)?",
    re.IGNORECASE,
)


def parse_moment(text: str) -> Timestamp | None:
    """Parse ISO 8601 as SQL writes it (a space for the T, one digit for a month); None if it is something else."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day = match["day"].rsplit("-", 2)
    try:
        days = int(np.datetime64(f"{year}-{month:0>2}-{day:0>2}", "D").astype(np.int64))
    except ValueError:
        return None
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 59:
        return None
    seconds = (hour * 60 + minute) * 60 + second
    zone = match["zone"]
    if zone is not None and zone[0] in "+-":
        offset = int(zone[1:3]) * 3600 + int(zone[3:].lstrip(":") or 0) * 60
        seconds -= -offset if zone[0] == "-" else offset
    fraction = int((match["fraction"] or "0").ljust(9, "0"))
    return Timestamp(days * _DAY_NS + seconds * 1_000_000_000 + fraction, zone is not None)


def moment_of(value: object) -> Timestamp | None:
    """Return a date, datetime, datetime64 or Arrow date or timestamp as ours; None if it is null, or something else."""
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            return None
        value = pa.scalar(_in_arrows_unit(value))
    elif isinstance(value, (date, datetime)) and not isinstance(value, pa.Scalar):
        value = pa.scalar(value)
    if isinstance(value, pa.Scalar) and not value.is_valid:
        return None
    if isinstance(value, pa.TimestampScalar):
        return Timestamp(value.value * _UNIT_NS[value.type.unit], value.type.tz is not None)
    if isinstance(value, (pa.Date32Scalar, pa.Date64Scalar)):
        days = value.value if isinstance(value, pa.Date32Scalar) else value.value // 86_400_000
        return Timestamp(days * _DAY_NS, zoned=False)
    return None


def _in_arrows_unit(value: Any) -> np.datetime64:
    unit, multiple = np.datetime_data(value)
    if unit in ("ps", "fs", "as"):
        unit = "ns"
    elif unit in _LONG_UNITS:
        unit = "s"
    elif multiple == 1:
        return value  # type: ignore[no-any-return]
    converted: np.datetime64 = value.astype(f"datetime64[{unit}]")
    # NumPy does not notice where there are too many.
    if unit == "s" and converted.astype(value.dtype) != value:
        raise OptionError(f"filter: {value!r} is beyond what 64 bits of seconds hold")
    return converted


def moment_text(moment: Timestamp) -> str:
    """Return the SQL literal of a moment; a midnight without a zone is a date."""
    seconds, fraction = divmod(moment.nanoseconds, 1_000_000_000)
    day, _, time = str(np.datetime64(seconds, "s")).partition("T")
    if not moment.zoned and moment.nanoseconds % _DAY_NS == 0:
        return f"DATE '{day}'"
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"TIMESTAMP '{day} {time}{digits}{'Z' if moment.zoned else ''}'"
