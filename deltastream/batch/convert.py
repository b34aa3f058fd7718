"""Owns the way from one Arrow column to NumPy: without a copy where there is no null, without Python per value."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.layout import Field
from deltastream.engine.buffers import WindowMemory
from deltastream.errors import NullValueError, SchemaError
from deltastream.types import FileContext

__all__ = ["AnyArray", "convert"]

AnyArray = npt.NDArray[np.generic]


def convert(
    column: pa.Array, field: Field, name: str, memory: WindowMemory, context: FileContext
) -> tuple[AnyArray, npt.NDArray[np.bool_] | None]:
    """Return the values of a column as a tensor field wants them, ``[n, *shape]``, and the mask if it wants one.

    Kind "objects" gives an object array ``[n]``.

    Raises:
        NullValueError: There are nulls, and the field has no rule for them.
        SchemaError: A value has not the field's length.
    """
    mask = None
    if field.spec.null_mask:
        mask = np.asarray(column.is_valid()).astype(np.bool_)
    elif column.null_count and field.spec.fill_null is None:
        raise NullValueError(
            f"{context}: column {name!r} has {column.null_count} nulls; say what they become: "
            f"FieldSpec({name!r}, fill_null=VALUE), or null_mask=True for a second tensor that marks them"
        )
    if field.kind == "objects":
        if _is_list_of_numbers(column):
            return _rows_of_numbers(column, memory), mask
        return objects(column), mask
    if field.kind == "fixed":
        return _fixed(column, field, name, memory, context), mask
    return _numbers(column, field, memory), mask


def _numbers(column: pa.Array, field: Field, memory: WindowMemory) -> AnyArray:
    if column.null_count:
        fill = field.spec.fill_null or 0
        column = column.fill_null(pa.scalar(fill).cast(column.type))
    type_ = column.type
    if pa.types.is_boolean(type_):
        bits = np.frombuffer(column.buffers()[1], np.uint8)
        stop = column.offset + len(column)
        return np.unpackbits(bits, count=stop, bitorder="little")[column.offset :].view(np.bool_)
    if pa.types.is_decimal(type_):
        words = _view(column, np.dtype(np.int64), memory, width=16)
        # At most 18 digits: the low word of the two holds the whole value, sign included.
        return np.ascontiguousarray(words[::2])
    return _view(column, _storage_dtype(type_), memory)


def _storage_dtype(type_: pa.DataType) -> np.dtype[np.generic]:
    if pa.types.is_date32(type_):
        return np.dtype(np.int32)
    if pa.types.is_timestamp(type_):
        return np.dtype(np.int64)
    return np.dtype(type_.to_pandas_dtype())


def _view(
    column: pa.Array, dtype: np.dtype[np.generic], memory: WindowMemory, width: int | None = None
) -> AnyArray:
    """View the value buffer of a column of fixed width, writable: decoded memory belongs to this reader alone."""
    width = dtype.itemsize if width is None else width
    if len(column) == 0:
        return np.empty(0, dtype)
    buffer = column.buffers()[1]
    return memory.adopt(
        buffer.address + column.offset * width, len(column) * width, buffer
    ).view(dtype)


def _fixed(
    column: pa.Array, field: Field, name: str, memory: WindowMemory, context: FileContext
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
        values: AnyArray = memory.adopt(data.address + start, len(column) * length, data)
    else:
        inner = column.values.slice(int(offsets[0]), len(column) * length)
        if inner.null_count:
            raise NullValueError(
                f"{context}: the lists of column {name!r} have nulls inside; a transform can replace them"
            )
        values = _numbers(inner, field, memory)
    return values.reshape(len(column), *field.shape)


def _fixed_with_nulls(
    column: pa.Array, field: Field, name: str, memory: WindowMemory, context: FileContext
) -> AnyArray:
    valid = np.asarray(column.is_valid()).astype(np.bool_)
    values = np.full((len(column), *field.shape), field.spec.fill_null or 0, field.dtype)
    values[valid] = _fixed(column.drop_null(), field, name, memory, context)
    return values


def _offsets(column: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]


def objects(column: pa.Array) -> npt.NDArray[np.object_]:
    """Return Python values, ``[n]`` of dtype object: str, bytes, or what `to_pylist` gives; None for a null."""
    type_ = column.type
    if pa.types.is_dictionary(type_):
        values = np.append(objects(column.dictionary), [None])
        # The indices of nulls are undefined: they point at the None at the end.
        return values[column.indices.fill_null(len(values) - 1).to_numpy()]
    if pa.types.is_string(type_) or pa.types.is_binary(type_):
        return column.to_numpy(zero_copy_only=False)
    return np.fromiter(column.to_pylist(), np.object_, len(column))


def _is_list_of_numbers(column: pa.Array) -> bool:
    if not pa.types.is_list(column.type) or column.values.null_count:
        return False
    inner = column.type.value_type
    return bool(pa.types.is_integer(inner) or pa.types.is_floating(inner))


def _rows_of_numbers(column: pa.Array, memory: WindowMemory) -> npt.NDArray[np.object_]:
    """Return one 1-D array per list, views of the decoded values; None for a null."""
    offsets = _offsets(column)
    values = _view(column.values, _storage_dtype(column.type.value_type), memory)
    rows = np.empty(len(column), np.object_)
    for i in np.flatnonzero(np.asarray(column.is_valid())):
        rows[i] = values[offsets[i] : offsets[i + 1]]
    return rows
