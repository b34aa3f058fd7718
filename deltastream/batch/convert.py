"""Owns the way from one Arrow column to NumPy: without a copy where there is no null, without Python per value."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.allocate import AnyArray
from deltastream.batch.layout import Field, number_dtype
from deltastream.engine.buffers import ColumnMemory
from deltastream.errors import NullValueError, SchemaError
from deltastream.types import FileContext

__all__ = ["convert", "python_values"]


def convert(
    column: pa.Array, field: Field, index: int, memory: ColumnMemory, context: FileContext
) -> tuple[AnyArray, npt.NDArray[np.bool_] | None]:
    """Return the values of the field's column `index` as it wants them, ``[n, *shape]``, and the mask if it wants one.

    Kind "objects" gives an object array ``[n]``.

    Raises:
        NullValueError: There are nulls, and the field has no rule for them.
        SchemaError: A value has not the field's length.
    """
    mask = None
    name = field.columns[index]
    if field.spec.null_mask:
        mask = np.asarray(column.is_valid()).astype(np.bool_)
    elif column.null_count and field.spec.fill_null is None:
        raise NullValueError(
            f"{context}: column {name!r} has {column.null_count} nulls; say what they become: "
            f"FieldSpec({name!r}, fill_null=VALUE), or null_mask=True for a second tensor that marks them"
        )
    if field.kind == "objects":
        return _objects(column, memory), mask
    if field.kind == "fixed":
        return _fixed(column, field, name, memory, context), mask
    return _numbers(column, field, field.dtypes[index], memory), mask


def _numbers(
    column: pa.Array, field: Field, dtype: np.dtype[np.generic], memory: ColumnMemory
) -> AnyArray:
    if column.null_count == 0:
        return _stored(column, dtype, memory)
    # The bytes of a null mean nothing, and `pa.nulls` keeps its values and its bitmap in one buffer: fill a copy.
    assert field.dtype is not None
    values = memory.take(len(column) * field.dtype.itemsize).view(field.dtype)
    values[:] = _stored(column, dtype, memory)
    values[np.asarray(column.is_null())] = field.spec.fill_null or 0
    return values


def _stored(column: pa.Array, dtype: np.dtype[np.generic], memory: ColumnMemory) -> AnyArray:
    """Return the numbers of a column as they are stored; undefined where it is null."""
    if column.type.bit_width == 8 * dtype.itemsize:
        return _view(column, dtype, memory)
    if dtype == np.bool_:
        bits = np.frombuffer(column.buffers()[1], np.uint8)
        stop = column.offset + len(column)
        return np.unpackbits(bits, count=stop, bitorder="little")[column.offset :].view(np.bool_)
    words = _view(column, dtype, memory, width=column.type.bit_width // 8)
    # A decimal of at most 18 digits: the low word of the two holds the whole value, sign included.
    return np.ascontiguousarray(words[::2])


def _view(
    column: pa.Array, dtype: np.dtype[np.generic], memory: ColumnMemory, width: int | None = None
) -> AnyArray:
    """View the value buffer of a column of fixed width, writable: decoded memory belongs to this reader alone."""
    width = dtype.itemsize if width is None else width
    if len(column) == 0:
        return np.empty(0, dtype)
    buffer = column.buffers()[1]
    return memory.view(column.offset * width, len(column) * width, buffer).view(dtype)


def _fixed(
    column: pa.Array, field: Field, name: str, memory: ColumnMemory, context: FileContext
) -> AnyArray:
    length = prod(field.shape)
    if column.null_count:
        return _fixed_with_nulls(column, field, name, memory, context)
    offsets = _offsets(column)
    found = np.diff(offsets)
    if (found != length).any():
        row = int((found != length).argmax())
        raise SchemaError(
            f"{context}: column {name!r} has {found[row]} values in row {row} of this read, and {length} in the "
            f"table's first rows: FieldSpec({name!r}, ragged=True) gives a list, or correct the shape"
        )
    if pa.types.is_binary(column.type):
        data = column.buffers()[2]
        start = int(offsets[0]) if len(offsets) else 0
        if data is None or len(column) == 0:
            return np.empty((0, *field.shape), np.uint8)
        values: AnyArray = memory.view(start, len(column) * length, data)
    else:
        inner = column.values.slice(int(offsets[0]), len(column) * length)
        if inner.null_count:
            raise NullValueError(
                f"{context}: the lists of column {name!r} have nulls inside; a transform can replace them"
            )
        values = _numbers(inner, field, field.dtypes[0], memory)
    return values.reshape(len(column), *field.shape)


def _fixed_with_nulls(
    column: pa.Array, field: Field, name: str, memory: ColumnMemory, context: FileContext
) -> AnyArray:
    valid = np.asarray(column.is_valid()).astype(np.bool_)
    values = np.full((len(column), *field.shape), field.spec.fill_null or 0, field.dtype)
    values[valid] = _fixed(column.drop_null(), field, name, memory, context)
    return values


def _offsets(column: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(column.buffers()[1], np.int32)[
        column.offset : column.offset + len(column) + 1
    ]


def python_values(column: pa.Array) -> npt.NDArray[np.object_]:
    """Return Python values, ``[n]`` of dtype object: str, bytes, or what `to_pylist` gives; None for a null."""
    if pa.types.is_dictionary(column.type):
        return _from_dictionary(column, python_values(column.dictionary))
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        values: npt.NDArray[np.object_] = column.to_numpy(zero_copy_only=False)
        return values
    return np.fromiter(column.to_pylist(), np.object_, len(column))


def _objects(column: pa.Array, memory: ColumnMemory) -> npt.NDArray[np.object_]:
    """Return values as `python_values` does, but without a copy where there is one to save.

    Binary values are memoryviews, lists of numbers 1-D arrays, both of the decoded memory.
    """
    if column.null_count == len(column):
        # The buffers of `pa.nulls` are any memory that is long enough.
        return np.full(len(column), None, np.object_)
    if pa.types.is_dictionary(column.type):
        return _from_dictionary(column, _objects(column.dictionary, memory))
    if pa.types.is_binary(column.type) and column.buffers()[2] is not None:
        data = column.buffers()[2]
        array: Any = memory.adopt(data.address, data.size, data)
        values: Any = memoryview(array).toreadonly()
    elif _is_list_of_numbers(column):
        data = column.values.buffers()[1]
        values = memory.adopt(data.address, data.size, data).view(
            number_dtype(column.type.value_type)
        )
        values = values[column.values.offset :]
    else:
        return python_values(column)
    stops = _offsets(column).tolist()
    rows = [values[start:stop] for start, stop in pairwise(stops)]
    found = np.fromiter(rows, np.object_, len(rows))
    if column.null_count:
        found[~np.asarray(column.is_valid()).astype(np.bool_)] = None
    return found


def _from_dictionary(column: pa.Array, values: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    # The indices of nulls are undefined: they point at the None at the end.
    with_none = np.append(values, np.array([None], np.object_))
    rows: npt.NDArray[np.int64] = column.indices.fill_null(len(values)).to_numpy()
    return with_none[rows]


def _is_list_of_numbers(column: pa.Array) -> bool:
    if not pa.types.is_list(column.type) or column.values.null_count:
        return False
    inner = column.type.value_type
    return bool(pa.types.is_integer(inner) or pa.types.is_floating(inner))
