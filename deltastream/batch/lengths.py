"""Owns the look at a table's first values: of which lengths its lists and binary values are."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.dtypes import number_dtype
from deltastream.fields import FieldSpec

__all__ = ["common_lengths", "number_lists", "offsets_of", "shape_of"]


def number_lists(type_: pa.DataType, spec: FieldSpec) -> int:
    """Return how many lists deep a type's numbers lie; 0 where it is not lists of numbers."""
    depth = 0
    while pa.types.is_list(type_):
        type_ = type_.value_type
        depth += 1
    floats = spec.decimal == "float" or "float" in str(spec.dtype)
    return depth if number_dtype(type_, floats=floats) is not None else 0


def common_lengths(values: pa.Array, depth: int) -> tuple[int | None, ...]:
    """Return for each level of lists the one length, above 0, that all of them have; None if there is none."""
    found: list[int | None] = []
    for _ in range(depth):
        values = values.drop_null()
        offsets = offsets_of(values)
        lengths = np.unique(np.diff(offsets))
        found.append(int(lengths[0]) if len(lengths) == 1 and lengths[0] > 0 else None)
        if pa.types.is_list(values.type):
            values = values.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    return tuple(found)


def offsets_of(values: pa.Array) -> npt.NDArray[np.int32]:
    """Return where each value of a list, string or binary column begins and the last one ends, ``[n + 1]``."""
    buffer = values.buffers()[1]
    if buffer is None or len(values) == 0:
        return np.zeros(1, np.int32)
    return np.frombuffer(buffer, np.int32)[values.offset : values.offset + len(values) + 1]


def shape_of(shape: tuple[int, ...], length: int) -> tuple[int, ...] | None:
    """Return the shape of `length` values, one size of which may be -1, unknown; None if they do not make it."""
    known = abs(prod(shape))
    if -1 not in shape:
        return shape if length == known else None
    if length % known:
        return None
    return tuple(length // known if size == -1 else size for size in shape)
