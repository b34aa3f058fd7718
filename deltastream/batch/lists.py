"""Owns the way from lists and bytes to arrays: of one length to rows of a tensor, of several to values end to end."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.allocate import AnyArray
from deltastream.batch.layout import Field
from deltastream.batch.lengths import offsets_of
from deltastream.batch.numbers import convert_dtype, numbers, validity
from deltastream.batch.ragged import RaggedRows, offsets_of_lengths
from deltastream.engine.buffers import ColumnMemory
from deltastream.errors import NullValueError, SchemaError
from deltastream.types import FileContext

__all__ = ["fixed", "ragged"]


def fixed(column: pa.Array, field: Field, memory: ColumnMemory, context: FileContext) -> AnyArray:
    """Return values of one length, ``[n, *shape]``; those that are null are filled.

    Raises:
        SchemaError: A value has another length.
        NullValueError: There are nulls inside, and no fill.
    """
    name = field.column_name(0)
    if pa.types.is_list(column.type):
        return _lists(column, field, field.shape, name, memory, context)
    return _filled(column, field, field.shape, name, memory, context)


def ragged(
    column: pa.Array, field: Field, memory: ColumnMemory, context: FileContext
) -> RaggedRows:
    """Return values of any length, end to end, ``[sum, *shape]``; those that are null are empty."""
    lengths = np.zeros(len(column), np.int64)
    if column.null_count < len(column):
        present = validity(column) if column.null_count else slice(None)
        # A null may have a length in Arrow.
        column = column.drop_null() if column.null_count else column
        lengths[present] = np.diff(offsets_of(column))
        values = _inside(column, field, memory, context)
    else:
        values = np.empty((0, *field.shape), field.dtype)
    return RaggedRows(values, offsets_of_lengths(lengths))


def _inside(column: pa.Array, field: Field, memory: ColumnMemory, context: FileContext) -> AnyArray:
    """Return what lies in the lists, or the bytes, of a column without nulls, ``[sum, *shape]``."""
    offsets = offsets_of(column)
    start, length = int(offsets[0]), int(offsets[-1] - offsets[0])
    if not pa.types.is_list(column.type):
        return _bytes(column, start, length, field, memory, context)
    elements = column.values.slice(start, length)
    return _elements(elements, field, field.shape, field.column_name(0), memory, context)


def _lists(
    column: pa.Array,
    field: Field,
    shape: tuple[int, ...],
    name: str,
    memory: ColumnMemory,
    context: FileContext,
) -> AnyArray:
    """Return lists of the lengths of `shape`, one level of them for each."""
    if not shape:
        return numbers(column, field, 0, memory, context)
    return _filled(column, field, shape, name, memory, context)


def _filled(
    column: pa.Array,
    field: Field,
    shape: tuple[int, ...],
    name: str,
    memory: ColumnMemory,
    context: FileContext,
    rows: npt.NDArray[np.bool_] | None = None,
) -> AnyArray:
    """`rows`: which of some the column has, for messages; None: all."""
    if column.null_count:
        values = np.full((len(column), *shape), field.fill, field.dtype)
        if column.null_count < len(column):
            present = validity(column)
            values[present] = _filled(
                column.drop_null(), field, shape, name, memory, context, present
            )
        return values
    is_list = pa.types.is_list(column.type)
    length = shape[0] if is_list else prod(shape)
    offsets = offsets_of(column)
    found = np.diff(offsets)
    if (found != length).any():
        first = int((found != length).argmax())
        row = first if rows is None else int(np.flatnonzero(rows)[first])
        raise SchemaError(
            f"{context}: column {name!r} has {found[first]} values in row {row} of this read, and its field takes "
            f"{length}, by its shape or the table's first rows: FieldSpec({field.column_name(0)!r}, ragged=True) gives "
            "a list, or correct the shape"
        )
    start, stop = int(offsets[0]), int(offsets[-1])
    if not is_list:
        values = _bytes(column, start, stop - start, field, memory, context)
    else:
        elements = column.values.slice(start, stop - start)
        values = _elements(elements, field, shape[1:], name, memory, context)
    return values.reshape(len(column), *shape)


def _elements(
    column: pa.Array,
    field: Field,
    shape: tuple[int, ...],
    name: str,
    memory: ColumnMemory,
    context: FileContext,
) -> AnyArray:
    """Return the elements of the lists called `name`."""
    if column.null_count and field.spec.fill_null is None:
        raise NullValueError(
            f"{context}: the lists of column {name!r} have nulls inside, {column.null_count} in '{name}.element'; say "
            f"what they become: FieldSpec({field.column_name(0)!r}, fill_null=VALUE), or let a transform replace them"
        )
    return _lists(column, field, shape, f"{name}.element", memory, context)


def _bytes(
    column: pa.Array,
    start: int,
    length: int,
    field: Field,
    memory: ColumnMemory,
    context: FileContext,
) -> AnyArray:
    data = column.buffers()[2]
    if data is None or length == 0:
        return np.empty(0, field.dtype)
    stored: npt.NDArray[np.uint8] = memory.view(start, length, data)
    return convert_dtype(stored, field, 0, memory, context)
