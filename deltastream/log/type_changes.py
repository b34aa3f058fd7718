"""Owns the check of type widening: which changes of a column's type are read."""

from __future__ import annotations

import re
from typing import Any

from deltastream.errors import UnsupportedFeatureError

__all__ = ["DECIMAL", "check_type_changes"]

DECIMAL = re.compile(r"decimal(?:\(\s*(\d+)\s*,\s*(-?\d+)\s*\))?")

# Delta PROTOCOL.md, "Type Widening", each with all it may become, decimals apart.
_WIDER = {
    "byte": {"short", "integer", "long", "double"},
    "short": {"integer", "long", "double"},
    "integer": {"long", "double"},
    "float": {"double"},
    "date": {"timestamp_ntz"},
}
# The protocol asks for 10 digits before the point for the small ones; Spark writes what their values need.
_DIGITS = {"byte": 3, "short": 5, "integer": 10, "long": 20}


def check_type_changes(changes: Any, *, column: str) -> None:
    """Check ``delta.typeChanges`` of a column's metadata.

    Delta PROTOCOL.md, "Reader Requirements for Type Widening": a reader fails on any change that it does not know.

    Raises:
        UnsupportedFeatureError: One is no widening that the protocol has.
    """
    for change in changes or ():
        before, after = change["fromType"], change["toType"]
        if not _is_widening(before, after):
            path = change.get("fieldPath")
            where = column if path is None else f"{column}.{path}"
            raise UnsupportedFeatureError(
                f"column {where!r} was changed from {before} to {after} (reader feature typeWidening), which is no "
                "widening that deltastream reads"
            )


def _is_widening(before: Any, after: Any) -> bool:
    if not isinstance(before, str) or not isinstance(after, str):
        return False
    target = DECIMAL.fullmatch(after)
    if target is None:
        return after in _WIDER.get(before, ())
    precision, scale = _digits(target)
    if before in _DIGITS:
        return scale >= 0 and precision - scale >= _DIGITS[before]
    source = DECIMAL.fullmatch(before)
    if source is None:
        return False
    old_precision, old_scale = _digits(source)
    return precision - old_precision >= scale - old_scale >= 0


def _digits(match: re.Match[str]) -> tuple[int, int]:
    # Spark's DecimalType.USER_DEFAULT, which a bare "decimal" names.
    return int(match[1] or 10), int(match[2] or 0)
