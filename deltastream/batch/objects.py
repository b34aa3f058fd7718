"""Owns values that have no other form than Python objects."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.lengths import offsets_of
from deltastream.batch.numbers import validity
from deltastream.engine.buffers import ColumnMemory
from deltastream.errors import FileCorruptError, SchemaError
from deltastream.types import FileContext

__all__ = ["objects", "python_values"]


def python_values(column: pa.Array, context: FileContext, name: str) -> npt.NDArray[np.object_]:
    """Return Python values, ``[n]`` of dtype object: str, bytes, or what `to_pylist` gives; None for a null.

    Raises:
        FileCorruptError: A text is no UTF-8.
        SchemaError: A date or timestamp of a year that Python's do not have.
    """
    if pa.types.is_dictionary(column.type):
        return _from_dictionary(column, python_values(column.dictionary, context, name))
    try:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            values: npt.NDArray[np.object_] = column.to_numpy(zero_copy_only=False)
            return values
        return np.fromiter(column.to_pylist(), np.object_, len(column))
    except (UnicodeDecodeError, pa.ArrowException) as error:
        # Arrow takes the file's word for it.
        raise FileCorruptError(
            f"{context}: column {name!r} has a text that is no UTF-8 ({error}): read_arrow and a cast to binary give "
            "its bytes"
        ) from error
    except (ValueError, OverflowError) as error:
        raise SchemaError(
            f"{context}: column {name!r} has a value that is no Python object ({error}): read the date or timestamp as "
            "a tensor, without a transform or collate_fn"
        ) from error


def objects(
    column: pa.Array, memory: ColumnMemory, context: FileContext, name: str
) -> npt.NDArray[np.object_]:
    """Return values as `python_values` does, but binary values as memoryviews of the decoded memory."""
    if column.null_count == len(column):
        # The buffers of `pa.nulls` are any memory that is long enough.
        return np.full(len(column), None, np.object_)
    if pa.types.is_dictionary(column.type):
        return _from_dictionary(column, objects(column.dictionary, memory, context, name))
    if not pa.types.is_binary(column.type) or column.buffers()[2] is None:
        return python_values(column, context, name)
    data = column.buffers()[2]
    array: Any = memory.adopt(data.address, data.size, data)
    values = memoryview(array).toreadonly()
    rows = [values[start:stop] for start, stop in pairwise(offsets_of(column).tolist())]
    found = np.fromiter(rows, np.object_, len(rows))
    if column.null_count:
        found[~validity(column)] = None
    return found


def _from_dictionary(column: pa.Array, values: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    # The indices of nulls are undefined: they point at the None at the end.
    with_none = np.append(values, np.array([None], np.object_))
    rows: npt.NDArray[np.int64] = column.indices.fill_null(len(values)).to_numpy()
    return with_none[rows]
