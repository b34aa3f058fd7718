"""Owns the way from a decoded column to the values of a field in it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.predicate import Path

__all__ = ["is_struct", "take_path"]


def is_struct(type_: pa.DataType) -> bool:
    """Whether values of the type have fields of their own in a batch."""
    return bool(pa.types.is_struct(type_)) and type_.num_fields > 0


def take_path(column: pa.Array, path: Path) -> pa.Array:
    """Return the values at `path` of the column ``path[0]``: null where a struct above them is null."""
    if len(path) == 1:
        return column
    indices: list[int] = []
    type_ = column.type
    for name in path[1:]:
        indices.append(type_.get_field_index(name))
        type_ = type_.field(indices[-1]).type
    return pc.struct_field(column, indices)
