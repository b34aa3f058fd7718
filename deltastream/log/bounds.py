"""Owns what the least and the greatest value of the log's statistics are worth: bounds that are sure.

Delta PROTOCOL.md, "Per-file Statistics": strings are cut off, timestamps are truncated to milliseconds. Writers do
more than that; each rule below says which. Where in doubt the bound is null.
"""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["cast_or_null", "parse_bounds", "sure_bounds"]

# Arrow reads "0x10" as an integer, and shorter forms of a date.
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_TIMESTAMP = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"
_TIMESTAMP_NTZ = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d+)?)?$"
_BEYOND_MICROSECONDS = r"(\.\d{6})\d+"
_WHOLE_SECOND = r"^([^.]*:\d{2}:\d{2})(Z|[+-]\d{2}:\d{2}|)$"

_GREGORIAN = date(1582, 10, 15)
_STANDARD_TIME = datetime(1900, 1, 1)
_WHOLE_MINUTES = datetime(1972, 2, 1)
_MAX_CHARACTER = "\U0010ffff"
_PAIRS = r"[\x{10000}-\x{10ffff}]"
_MIN_CUT_NBYTES = 32
_EXACT_DIGITS = 15


def parse_bounds(texts: pa.Array, type_: pa.DataType, *, is_upper: bool) -> pa.Array:
    """Return the dates, timestamps or strings that `texts` are; null for those that are none."""
    if pa.types.is_string(type_):
        return texts
    if pa.types.is_date(type_):
        pattern = _DATE
    else:
        # Without a zone an instant is not known: PROTOCOL.md leaves it to the writer's session.
        pattern = _TIMESTAMP_NTZ if type_.tz is None else _TIMESTAMP
        texts = pc.replace_substring_regex(texts, _BEYOND_MICROSECONDS, r"\1")
        if is_upper:
            # Apache XTable cuts the greatest value to its second; Spark would write ".000".
            texts = pc.replace_substring_regex(texts, _WHOLE_SECOND, r"\1.999999\2")
    return cast_or_null(_where(pc.match_substring_regex(texts, pattern), texts), type_)


def cast_or_null(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """Cast each value, to null where it cannot be."""
    try:
        return values.cast(type_)
    except pa.ArrowException:
        if len(values) == 1:
            return pa.nulls(1, type_)
    middle = len(values) // 2
    halves = [values.slice(0, middle), values.slice(middle)]
    return pa.concat_arrays([cast_or_null(half, type_) for half in halves])


def sure_bounds(least: pa.Array, greatest: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return values of the same type outside of which no value of the file lies, but NaN; null where unknown."""
    type_ = least.type
    if pa.types.is_floating(type_):
        least, greatest = _floating(least, is_upper=False), _floating(greatest, is_upper=True)
    elif pa.types.is_decimal(type_):
        least, greatest = _decimals(least, is_upper=False), _decimals(greatest, is_upper=True)
    elif pa.types.is_timestamp(type_):
        least, greatest = _timestamps(least, is_upper=False), _timestamps(greatest, is_upper=True)
    elif pa.types.is_date(type_):
        least, greatest = _since(least, _GREGORIAN), _since(greatest, _GREGORIAN)
    elif pa.types.is_string(type_):
        greatest = _strings(greatest)
    # Such statistics are wrong in a way that nobody knows.
    in_order = pc.fill_null(pc.less_equal(least, greatest), True)
    return _where(in_order, least), _where(in_order, greatest)


def _where(is_known: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(is_known, values, pa.scalar(None, values.type))


def _floating(values: pa.Array, *, is_upper: bool) -> pa.Array:
    # Spark's greatest value is NaN where there is one, and says nothing of the others.
    values = _where(pc.invert(pc.is_nan(values)), values)
    if not pa.types.is_float64(values.type):
        return values
    # A column that was a float has texts such as "0.1" for 0.1f, which as a double is 0.10000000149.
    doubles = np.asarray(values.fill_null(0))
    with np.errstate(over="ignore"):
        floats = doubles.astype(np.float32).astype(np.float64)
    floats = np.where(np.isfinite(floats), floats, doubles)
    bounds = np.maximum(doubles, floats) if is_upper else np.minimum(doubles, floats)
    return pa.array(bounds, mask=np.asarray(values.is_null()))


def _decimals(values: pa.Array, *, is_upper: bool) -> pa.Array:
    """Move bounds outwards by what writers lose that print a decimal as a double (delta-rs)."""
    precision = values.type.precision
    units = _units(values)
    size = pc.abs(units)
    # Arrow's JSON reader lets a number of more digits than the type's pass.
    values = _where(pc.less_equal(size, _integer(10**precision - 1)), values)
    if values.type.scale == 0:
        # delta-rs gives the end of int64 for all that lies beyond it.
        is_within = (
            pc.less(units, _integer(2**63 - 1))
            if is_upper
            else pc.greater(units, _integer(-(2**63)))
        )
        values = _where(is_within, values)
    # A double keeps 15 digits: what is less than 10**15 units came through it unharmed.
    is_large = pc.fill_null(pc.greater_equal(size, _integer(10**_EXACT_DIGITS)), False)
    is_large = pc.and_(is_large, values.is_valid())
    if not pc.any(is_large).as_py():
        return values
    largest = 10**precision - 1
    moved: list[int | None] = []
    for one in units.filter(is_large).to_pylist():
        exact = int(one)
        # Two roundings of half a unit in the 53rd place, and the division here.
        slack = abs(exact) // 2**51 + 1
        outwards = exact + slack if is_upper else exact - slack
        moved.append(outwards if abs(outwards) <= largest else None)
    loose = pc.replace_with_mask(_units(values), is_large, pa.array(moved, units.type))
    return pa.Array.from_buffers(values.type, len(loose), loose.buffers(), offset=loose.offset)


def _integer(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.decimal128(38, 0))


def _units(values: pa.Array) -> pa.Array:
    """Return decimals without their point: the same 16 bytes of each, read at scale 0."""
    return pa.Array.from_buffers(
        pa.decimal128(38, 0), len(values), values.buffers(), offset=values.offset
    )


def _timestamps(values: pa.Array, *, is_upper: bool) -> pa.Array:
    # Spark 2 kept instants before 1900 by local mean times that no reader here goes back to.
    values = _since(values, _STANDARD_TIME)
    micros = np.asarray(values.cast(pa.int64()).fill_null(0))
    # A zone's offset had seconds until 1972 (Liberia's), and a text has its minutes alone.
    minute = np.where(micros < _microseconds(_WHOLE_MINUTES), 60_000_000, 0)
    # PROTOCOL.md: truncated down to milliseconds. A value near the end of time has no later one.
    room = micros < np.iinfo(np.int64).max - 1_000
    bounds = micros + 1_000 * room + minute if is_upper else micros - minute
    known = np.asarray(values.is_valid()) & room
    return pa.array(bounds, mask=~known).cast(values.type)


def _since(values: pa.Array, first: date | datetime) -> pa.Array:
    """Drop values before `first`: in old files they count in another calendar than in the statistics."""
    if isinstance(first, datetime):
        limit = pa.scalar(_microseconds(first)).cast(pa.timestamp("us")).cast(values.type)
    else:
        limit = pa.scalar(first, values.type)
    return _where(pc.greater_equal(values, limit), values)


def _microseconds(at: datetime) -> int:
    return int((np.datetime64(at, "us") - np.datetime64(0, "us")).astype(np.int64))


def _strings(greatest: pa.Array) -> pa.Array:
    """Return upper bounds for greatest values of which some were cut.

    Writers cut at 32 characters or more; Spark then appends a character that makes the text an upper bound, others do
    not. So of a long text the first characters are those of the greatest value: with the last of them raised to the
    last character of all, the text is greater than any string that begins with them.
    """
    is_long = pc.greater_equal(pc.binary_length(greatest), _MIN_CUT_NBYTES)
    if not pc.any(is_long).as_py():
        return greatest
    # A character has up to 4 bytes, so a long text may have 8 alone.
    head = pc.utf8_slice_codeunits(greatest, 0, _MIN_CUT_NBYTES)
    # Older Spark counts UTF-16's units, two for a character beyond the first 65,536, and may cut between the two: then
    # a "?" stands for the first.
    has_pairs = pc.match_substring_regex(head, _PAIRS)
    if pc.any(has_pairs).as_py():
        sure = pc.utf8_slice_codeunits(head, 0, _MIN_CUT_NBYTES // 2)
        head = pc.if_else(has_pairs, sure, head)
    raised = pc.binary_join_element_wise(pc.utf8_slice_codeunits(head, 0, -1), _MAX_CHARACTER, "")
    raised = _where(pc.invert(pc.ends_with(head, _MAX_CHARACTER)), raised)
    return pc.if_else(is_long, raised, greatest)
