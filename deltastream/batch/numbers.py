"""Owns numbers: which columns have them, in which dtypes, and how a column's become those of a tensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.allocate import AnyArray
from deltastream.batch.dtypes import bfloat16_bits
from deltastream.batch.layout import Field
from deltastream.engine.buffers import ColumnMemory
from deltastream.errors import SchemaError
from deltastream.types import FileContext

__all__ = ["convert_dtype", "converts", "numbers", "stored_numbers", "validity"]

_EXACT_FLOAT_DIGITS = 15
"""Integers of so many decimal digits are float64 without rounding, and so is ``10 ** scale``."""


def validity(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Return bool ``[n]``, True where there is a value."""
    return np.asarray(column.is_valid()).astype(np.bool_)


def numbers(
    column: pa.Array, field: Field, index: int, memory: ColumnMemory, context: FileContext
) -> AnyArray:
    """Return a column of numbers, ``[n]``, of the dtype of `field`, or of its own where these are stacked.

    Nulls become the field's fill. Numbers without nulls that keep their dtype are a view of the decoded memory.

    Raises:
        SchemaError: The field's dtype does not hold a number.
    """
    source = field.dtypes[index]
    assert field.dtype is not None
    if len(column) == 0:
        return np.empty(0, field.dtype)
    is_other = converts(field, source)
    if column.null_count == 0 and not is_other:
        return _stored(column, source, memory)
    # The bytes of a null mean nothing, and `pa.nulls` keeps its values and its bitmap in one buffer: fill a copy.
    values = memory.take(len(column) * field.dtype.itemsize).view(field.dtype)
    if column.null_count == len(column):
        values[:] = field.fill
        return values
    stored = _stored(column, source, memory)
    nulls = ~validity(column) if column.null_count else None
    if is_other:
        if nulls is not None:
            stored = np.where(nulls, source.type(0), stored)
        _convert(stored, values, field, index, context)
    else:
        values[:] = stored
    if nulls is not None:
        values[nulls] = field.fill
    return values


def convert_dtype(
    stored: AnyArray, field: Field, index: int, memory: ColumnMemory, context: FileContext
) -> AnyArray:
    """Return numbers as they are stored, in the dtype of `field`."""
    if not converts(field, stored.dtype):
        return stored
    assert field.dtype is not None
    values = memory.take(len(stored) * field.dtype.itemsize).view(field.dtype)
    _convert(stored, values, field, index, context)
    return values


def converts(field: Field, source: np.dtype[np.generic]) -> bool:
    """Say whether numbers decoded as `source` have to become those of another dtype, which may not hold them."""
    return field.spec.dtype is not None and (source != field.dtype or field.is_bfloat16)


def _convert(
    stored: AnyArray, values: AnyArray, field: Field, index: int, context: FileContext
) -> None:
    _check_range(stored, field, index, context)
    # Beyond the range of float16 (65504) values become infinite, as in torch.
    with np.errstate(over="ignore", invalid="ignore"):
        if field.is_bfloat16:
            values[:] = bfloat16_bits(stored.astype(np.float32))
        else:
            np.copyto(values, stored, casting="unsafe")


def _stored(column: pa.Array, dtype: np.dtype[np.generic], memory: ColumnMemory) -> AnyArray:
    """Return the numbers of a column as they are stored; undefined where it is null."""
    if pa.types.is_decimal(column.type) and dtype.kind == "f":
        return memory.counted(_decimal_floats(column, replace(memory, keeps=False)))
    if column.type.bit_width == 8 * dtype.itemsize:
        return stored_numbers(column, dtype, memory)
    if dtype == np.bool_:
        bits = np.frombuffer(column.buffers()[1], np.uint8)
        stop = column.offset + len(column)
        truths = np.unpackbits(bits, count=stop, bitorder="little")[column.offset :]
        return memory.counted(truths.view(np.bool_))
    borrowed = replace(memory, keeps=False)
    words = stored_numbers(column, dtype, borrowed, width=column.type.bit_width // 8)
    # A decimal of at most 18 digits: the low word of the two holds the whole value, sign included.
    return memory.counted(words[::2]) if memory.keeps else np.ascontiguousarray(words[::2])


def stored_numbers(
    column: pa.Array, dtype: np.dtype[np.generic], memory: ColumnMemory, width: int | None = None
) -> AnyArray:
    """View the values of a column of fixed width, writable: decoded memory belongs to this reader alone.

    `width`: bytes of a value, if they are not those of `dtype`.
    """
    width = dtype.itemsize if width is None else width
    num_rows = len(column)
    if num_rows == 0:
        return np.empty(0, dtype)
    buffer = column.buffers()[1]
    return memory.view(column.offset * width, num_rows * width, buffer).view(dtype)


def _decimal_floats(column: pa.Array, memory: ColumnMemory) -> npt.NDArray[np.float64]:
    """Return the float64 nearest to each decimal."""
    if column.type.precision <= _EXACT_FLOAT_DIGITS:
        scaled = _stored(column, np.dtype(np.int64), memory)
        # One rounding, of a quotient of two exact numbers.
        values: npt.NDArray[np.float64] = np.true_divide(scaled, 10.0**column.type.scale)
        return values
    # Arrow's cast from decimal to float64 rounds more than once; text is parsed to the nearest.
    found: npt.NDArray[np.float64] = np.array(
        column.cast(pa.string()).cast(pa.float64()).fill_null(0)
    )
    return found


def _check_range(values: AnyArray, field: Field, index: int, context: FileContext) -> None:
    dtype = field.dtype
    assert dtype is not None
    if (
        dtype.kind not in "iu"
        or field.is_bfloat16
        or np.can_cast(values.dtype, dtype)
        or not len(values)
    ):
        return
    limits = np.iinfo(dtype.name)
    for value in (int(values.min()), int(values.max())):
        if not limits.min <= value <= limits.max:
            raise SchemaError(
                f"{context}: column {field.column_name(index)!r} has the value {value}, and {dtype}, which its field "
                f"asks for, holds {limits.min} to {limits.max}: give a wider dtype"
            )
