"""Owns the deletion-vector descriptors of the log: as columns, and the ids that tell them apart."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.types import DELETION_VECTOR

__all__ = ["descriptors_from_json", "descriptors_from_struct", "unique_ids"]

# Delta PROTOCOL.md, "Deletion Vector Descriptor Schema": their names in the log, in the order of DELETION_VECTOR.
_LOGGED = ("storageType", "pathOrInlineDv", "offset", "sizeInBytes", "cardinality")
_STORAGE_TYPES = pa.array(["u", "i", "p"])


def descriptors_from_json(descriptors: Sequence[Mapping[str, Any] | None]) -> pa.StructArray:
    """Return the descriptors (`DELETION_VECTOR`) of JSON actions; null where there is none.

    Raises:
        ValueError: One lacks what the protocol asks for.
    """
    struct = pa.struct(list(zip(_LOGGED, [field.type for field in DELETION_VECTOR], strict=True)))
    found = descriptors_from_struct(pa.array(descriptors, struct), len(descriptors))
    if found.null_count > descriptors.count(None):
        raise ValueError("a deletion vector lacks every field")
    return found


def descriptors_from_struct(found: pa.StructArray | None, num_rows: int) -> pa.StructArray:
    """Return the descriptors (`DELETION_VECTOR`) of a checkpoint's column; None stands for one that is not there.

    Raises:
        ValueError: One lacks what the protocol asks for.
    """
    if found is None or found.null_count == num_rows:
        return pa.nulls(num_rows, DELETION_VECTOR)
    names = [field.name for field in found.type]
    # Unlike the field itself, struct_field is null where the struct is.
    columns = [
        pc.struct_field(found, logged).cast(field.type)
        if logged in names
        else pa.nulls(num_rows, field.type)
        for logged, field in zip(_LOGGED, DELETION_VECTOR, strict=True)
    ]
    # A struct of nothing but nulls is how a checkpoint may say that there is none.
    present = functools.reduce(pc.or_, [column.is_valid() for column in columns])
    storage_type, path, offset, nbytes, cardinality = [column.filter(present) for column in columns]
    if storage_type.null_count or path.null_count or nbytes.null_count or cardinality.null_count:
        raise ValueError("a deletion vector lacks a field")
    if not pc.all(pc.is_in(storage_type, value_set=_STORAGE_TYPES), min_count=0).as_py():
        raise ValueError("a deletion vector has an unknown storageType")
    for numbers in (offset, nbytes, cardinality):
        if pc.any(pc.less(numbers, 0), min_count=0).as_py():
            raise ValueError("a deletion vector has a negative number")
    return pa.StructArray.from_arrays(
        columns, fields=list(DELETION_VECTOR), mask=pc.invert(present)
    )


def unique_ids(descriptors: pa.ChunkedArray) -> pa.ChunkedArray:
    """Delta PROTOCOL.md, "Deletion Vector Descriptor Schema": the derived field uniqueId; null where none is."""
    if descriptors.null_count == len(descriptors):
        return pa.chunked_array([pa.nulls(len(descriptors), pa.string())])
    storage_type, path, offset = [
        pc.struct_field(descriptors, name) for name in ("storage_type", "path_or_inline", "offset")
    ]
    in_file = pc.binary_join_element_wise("@", offset.cast(pa.string()), "")
    return pc.binary_join_element_wise(storage_type, path, pc.coalesce(in_file, ""), "")
