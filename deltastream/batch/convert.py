"""Owns the way from one Arrow column to NumPy: without a copy where there is no null, without Python per value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.allocate import AnyArray
from deltastream.batch.layout import Field
from deltastream.batch.lists import fixed, ragged
from deltastream.batch.numbers import numbers, validity
from deltastream.batch.objects import objects
from deltastream.batch.ragged import RaggedRows
from deltastream.engine.buffers import ColumnMemory
from deltastream.errors import NullValueError
from deltastream.predicate import take_path
from deltastream.types import FileContext

__all__ = ["convert"]


def convert(
    column: pa.Array, field: Field, index: int, memory: ColumnMemory, context: FileContext
) -> tuple[AnyArray | RaggedRows, npt.NDArray[np.bool_] | None]:
    """Return the values of the field's column `index` as it wants them, ``[n, *shape]``, and the mask if it wants one.

    `column` is the table's column around them. Kind "objects" gives an object array ``[n]``, "ragged" `RaggedRows`.

    Raises:
        NullValueError: There are nulls, and the field has no rule for them.
        SchemaError: A value has not the field's length, or its dtype does not hold it.
    """
    column = take_path(column, field.paths[index])
    if field.kind == "validity":
        return memory.counted(validity(column)), None
    mask = memory.counted(validity(column)) if field.spec.null_mask else None
    if mask is None and column.null_count and field.spec.fill_null is None and not _is_void(column):
        name = field.column_name(index)
        rule = (
            f"FieldSpec({name!r}, null_mask=True) keeps them as None and marks them in a second tensor"
            if field.kind == "objects"
            else f"FieldSpec({name!r}, fill_null=VALUE), or null_mask=True for a second tensor that marks them"
        )
        raise NullValueError(
            f"{context}: column {name!r} has {column.null_count} nulls; say what they become: {rule}"
        )
    match field.kind:
        case "objects":
            return objects(column, memory, context, field.column_name(index)), mask
        case "fixed":
            return fixed(column, field, memory, context), mask
        case "ragged":
            return ragged(column, field, memory, context), mask
        case _:
            return numbers(column, field, index, memory, context), mask


def _is_void(column: pa.Array) -> bool:
    """Whether no value of the column's type can be anything but null."""
    return bool(pa.types.is_null(column.type))
