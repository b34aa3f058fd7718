"""Owns partition values: from the maps of the add actions to one typed column each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import LogCorruptError
from deltastream.log.calendar import days_of, microseconds_of

__all__ = ["PARTITION_PREFIX", "parse_partition_values", "with_partitions"]

# A partition column may be called "path".
PARTITION_PREFIX = "partition/"

_INTEGER = "^-?[0-9]+$"
# More digits wrap around in 128 bits, without an error.
_UP_TO_38_DIGITS = "^[+-]?[0.]*([^0-9]*[0-9]){0,38}[^0-9]*$"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
_MAX_DIGITS = 76
_BOOLEAN = "(?i)^(true|false)$"
_WITH_ZONE = "(Z|[+-][0-9]{2}:?[0-9]{2})$"
# Arrow's parser takes no digits beyond the unit.
_NANOSECOND_ZEROS = r"(\.[0-9]{6})0+"


def with_partitions(adds: pa.Table, names: Sequence[str]) -> pa.Table:
    """Replace the map column ``partition_values`` by a dictionary-encoded string column for each of `names`.

    A row whose map lacks a name, in any case of letters, has null there. Of a name that a map holds twice the last
    value stands.
    """
    column = adds.column("partition_values")
    adds = adds.drop_columns(["partition_values"])
    if not names:
        return adds
    maps = pa.concat_arrays([*column.chunks, pa.array([], column.type)])
    offsets = np.asarray(maps.offsets)
    rows = np.repeat(np.arange(len(maps)), np.diff(offsets))
    keys, values = maps.keys.cast(pa.string()), maps.items.cast(pa.string())
    for name in names:
        places = np.flatnonzero(np.asarray(pc.equal(keys, name)))
        if len(places) < len(maps):
            # Spelled otherwise somewhere: names of columns differ in more than their case.
            alike = pc.equal(pc.utf8_lower(keys), pc.utf8_lower(pa.scalar(name)))
            places = np.flatnonzero(np.asarray(alike))
        of_row = np.full(len(maps), -1)
        of_row[rows[places]] = places
        column = values.take(pa.array(of_row, mask=of_row < 0))
        adds = adds.append_column(PARTITION_PREFIX + name, column.dictionary_encode())
    return adds


def parse_partition_values(
    column: pa.ChunkedArray, paths: pa.ChunkedArray, field: pa.Field, *, table_uri: str
) -> pa.Array:
    """Parse a column of partition values to the type of `field`; each distinct value is parsed once.

    Delta PROTOCOL.md, "Partition Value Serialization"; an empty string is null, for every type.

    Args:
        column: Dictionary-encoded strings.
        paths: The file of each value, for the message.

    Raises:
        LogCorruptError: A value is none of that type.
    """
    encoded = pa.concat_arrays(column.chunks)
    texts = encoded.dictionary
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    try:
        values = _parse(texts, field.type)
    except (pa.ArrowException, ValueError, OverflowError):
        wrong, error = _first_wrong(texts, field.type)
        row = pc.index(encoded.cast(pa.string()), wrong).as_py()
        raise LogCorruptError(
            f"{table_uri}: partition column {field.name!r} of type {field.type} has the value "
            f"{wrong!r} for file {paths[row].as_py()}: {error}"
        ) from error
    return values.take(encoded.indices)


def _parse(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_null(type_):
        if texts.null_count < len(texts):
            raise ValueError("a column of type void has no values")
        return pa.nulls(len(texts))
    if pa.types.is_integer(type_):
        return _matching(texts, _INTEGER).cast(type_)
    if pa.types.is_boolean(type_):
        return _matching(texts, _BOOLEAN).cast(type_)
    if pa.types.is_decimal(type_):
        return _parse_decimals(texts, type_)
    if pa.types.is_temporal(type_):
        try:
            return _parse_times(texts, type_)
        except pa.ArrowInvalid:
            each = [_parse_time(texts.slice(i, 1), type_) for i in range(len(texts))]
            return pa.concat_arrays(each)
    if pa.types.is_nested(type_):
        raise ValueError(f"a column of type {type_} cannot be a partition column")
    return texts.cast(type_)


def _parse_decimals(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    texts = _matching(texts, _UP_TO_38_DIGITS)
    if pc.any(pc.match_substring_regex(texts, "[eE]")).as_py():
        texts = pa.array([text and _without_exponent(text) for text in texts.to_pylist()])
    # Scaled in 128 bits some values wrap around, without an error.
    return texts.cast(pa.decimal256(76, type_.scale)).cast(type_)


def _without_exponent(text: str) -> str:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("expected a number")
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _MAX_DIGITS:
        raise ValueError(f"expected a number of at most {_MAX_DIGITS} digits")
    return f"{value:f}"


def _parse_times(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    """Parse dates and timestamps of the years 1 to 9999, as almost all are."""
    if pa.types.is_timestamp(type_):
        texts = pc.replace_substring_regex(texts, _NANOSECOND_ZEROS, r"\1")
        if type_.tz is not None:
            # Without a zone the value is UTC: PROTOCOL.md leaves it to the session, Spark writes UTC here.
            in_utc = pc.binary_join_element_wise(texts, "Z", "")
            texts = pc.if_else(pc.match_substring_regex(texts, _WITH_ZONE), texts, in_utc)
    return texts.cast(type_)


def _parse_time(text: pa.Array, type_: pa.DataType) -> pa.Array:
    try:
        return _parse_times(text, type_)
    except pa.ArrowInvalid:
        if pa.types.is_date(type_):
            return pa.array([days_of(text[0].as_py())], pa.int32()).cast(type_)
        micros = microseconds_of(text[0].as_py(), in_utc=type_.tz is not None)
        return pa.array([micros], pa.int64()).cast(type_)


def _matching(texts: pa.Array, pattern: str) -> pa.Array:
    if not pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py():
        raise ValueError(f"expected {pattern}")
    return texts


def _first_wrong(texts: pa.Array, type_: pa.DataType) -> tuple[str, Exception]:
    for i in range(len(texts)):
        try:
            _parse(texts.slice(i, 1), type_)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            return texts[i].as_py(), error
    raise AssertionError("values that parse one by one parse together")
