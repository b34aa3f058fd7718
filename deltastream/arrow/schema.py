"""Owns the schema that Arrow users see: the table's own names and types, without where they are in the files."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from deltastream.errors import OptionError, SchemaError
from deltastream.types import FIELD_ID, PHYSICAL_NAME

__all__ = ["logical_schema", "select_columns"]

_PRIVATE = frozenset({PHYSICAL_NAME, FIELD_ID})


def select_columns(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """Return the fields of `columns`, in that order; None: all of them.

    Raises:
        SchemaError: A column isn't there.
        OptionError: A column is named twice.
    """
    if columns is None:
        return schema
    if isinstance(columns, str):
        raise OptionError(f"columns is a list of names, not the string {columns!r}")
    for i, name in enumerate(columns):
        if name in columns[:i]:
            raise OptionError(f"columns names {name!r} twice")
        if name not in schema.names:
            raise SchemaError(
                f"the table has no column {name!r}; its columns are {', '.join(schema.names)}"
            )
    return pa.schema([schema.field(name) for name in columns])


def logical_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema without column-mapping metadata, at every level."""
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
