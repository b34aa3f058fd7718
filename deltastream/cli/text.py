"""Owns how numbers and names look in a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["count", "nbytes_text", "plain", "share", "split_names", "time_text"]

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def count(number: int, one: str, several: str | None = None) -> str:
    """Return ``1 file``, ``1,200 files``."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def nbytes_text(nbytes: int) -> str:
    """Return bytes in the unit that leaves 1 to 4 digits: ``1.5 MiB``."""
    size, unit = float(nbytes), 0
    while abs(size) >= 1023.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return count(nbytes, "byte") if unit == 0 else f"{size:,.1f} {_UNITS[unit]}"


def share(part: int, whole: int) -> str:
    """Return a share in per cent that is 0 % or 100 % only where that is exact."""
    if not whole or part in (0, whole):
        return "0 %" if not part else "100 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"


def time_text(time_ms: int) -> str:
    """Return a time since the epoch, in UTC, to the second."""
    try:
        return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%d %H:%M:%SZ}"
    except OverflowError:
        # A writer may log what it likes: microseconds, for one.
        return f"{time_ms:,} ms since 1970"


def plain(text: str) -> str:
    """Return `text` with what moves a terminal's cursor, or changes its colours, escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def split_names(text: str) -> list[str]:
    """Split names at the commas between them; one within backquotes is part of its name."""
    return [name.strip() for name in re.split(r",(?=(?:[^`]*`[^`]*`)*[^`]*$)", text)]
