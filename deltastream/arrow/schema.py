"""Owns the schema that Arrow users see: the table's own names and types, without where they are in the files."""

from __future__ import annotations

import pyarrow as pa

from deltastream.types import FIELD_ID, PHYSICAL_NAME, VARIANT_PART

__all__ = ["logical_schema"]

_PRIVATE = frozenset({PHYSICAL_NAME, FIELD_ID, VARIANT_PART})


def logical_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema without metadata of ours and of column mapping, at every level."""
    return pa.schema([_logical(field) for field in schema])


def _logical(field: pa.Field) -> pa.Field:
    metadata = {k: v for k, v in (field.metadata or {}).items() if k not in _PRIVATE}
    return field.with_type(_logical_type(field.type)).with_metadata(metadata or None)


def _logical_type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(type_):
        return pa.struct([_logical(type_.field(i)) for i in range(type_.num_fields)])
    if pa.types.is_list(type_):
        return pa.list_(_logical(type_.value_field))
    if pa.types.is_map(type_):
        return pa.map_(_logical(type_.key_field), _logical(type_.item_field))
    return type_
