"""Owns which types a leaf may have in a file where the table's schema has another, and how its values become those."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pt

__all__ = ["Convert", "find_cast"]

Convert = Callable[[pa.Array], pa.Array]
"""Returns the values as another type; raises ArrowInvalid where one of them does not fit. Keeps their order (min and
max of the result come from min and max of the values)."""

_DOUBLE_EXACT_BITS = 32


def find_cast(source: pa.DataType, target: pa.DataType) -> Convert | None:
    """Return how values of a file become the table's; None where no writer of Delta tables makes such a file.

    1. Type widening: Delta PROTOCOL.md, "Type Widening", "Supported Type Changes".
    2. Physical forms of one type: Delta PROTOCOL.md, "Delta Data Type to Parquet Type Mappings", and what writers do
       besides: other widths, units and Arrow types, strings without annotation, instants without a zone.
    """
    if source.equals(target):
        return _keep
    if pt.is_null(source):
        return lambda array: pa.nulls(len(array), target)
    if pt.is_dictionary(source):
        inner = find_cast(source.value_type, target)
        return None if inner is None else lambda array: inner(array.dictionary_decode())
    if pt.is_timestamp(target):
        return _to_timestamp(source, target)
    if pt.is_decimal(target):
        return _to_decimal(source, target)
    if (
        (pt.is_integer(target) and pt.is_integer(source))
        or (pt.is_floating(target) and _is_exact(source, target))
        or (pt.is_date(target) and pt.is_date(source))
        or (_is_bytes(target) and _is_bytes(source))
    ):
        return lambda array: array.cast(target)
    return None


def _keep(array: pa.Array) -> pa.Array:
    return array


def _is_exact(source: pa.DataType, target: pa.DataType) -> bool:
    if pt.is_integer(source):
        return bool(pt.is_float64(target) and source.bit_width <= _DOUBLE_EXACT_BITS)
    return bool(pt.is_floating(source) and source.bit_width < target.bit_width)


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(
        pt.is_string(type_)
        or pt.is_binary(type_)
        or pt.is_large_string(type_)
        or pt.is_large_binary(type_)
        or pt.is_string_view(type_)
        or pt.is_binary_view(type_)
        or pt.is_fixed_size_binary(type_)
    )


def _to_timestamp(source: pa.DataType, target: pa.DataType) -> Convert | None:
    if pt.is_timestamp(source):
        # Both kinds count from 1970-01-01 00:00, so a zone is a label: INT96 has none, and is in UTC.
        local = pa.timestamp(source.unit)
        return lambda array: array.view(local).cast(pa.timestamp(target.unit)).view(target)
    if pt.is_date(source) and target.tz is None:
        return lambda array: array.cast(target)
    return None


def _to_decimal(source: pa.DataType, target: pa.DataType) -> Convert | None:
    if pt.is_decimal(source):
        num_whole = source.precision - source.scale
        if source.scale <= target.scale and num_whole <= target.precision - target.scale:
            return lambda array: array.cast(target)
        # Scaled in 128 bits some values wrap around, without an error.
        before, after = pa.decimal256(76, source.scale), pa.decimal256(76, target.scale)
        return lambda array: array.cast(before).cast(after).cast(target)
    if pt.is_integer(source):
        # Arrow wants room for every value of the integer's type; only those that are there need it.
        wide = pa.decimal256(20 + max(target.scale, 0), target.scale)
        if target.precision - target.scale >= _digits(source):
            return lambda array: array.cast(target)
        return lambda array: array.cast(wide).cast(target)
    return None


def _digits(integer: pa.DataType) -> int:
    """Return how many decimal digits the values of an integer type have at most."""
    bits = integer.bit_width - pt.is_signed_integer(integer)
    return len(str(2**bits))
