"""Owns the schema as it is shown: Delta's type names, nested fields as a tree, physical names."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow as pa

from deltastream.cli.inspection.model import Column
from deltastream.types import FIELD_ID, PHYSICAL_NAME

__all__ = ["describe_columns", "fields_in", "has_variants", "is_variant", "leaf_paths", "type_name"]

_NAMES = {
    pa.int8(): "byte",
    pa.int16(): "short",
    pa.int32(): "integer",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.null(): "void",
}


def describe_columns(schema: pa.Schema, *, variants: bool = False) -> tuple[Column, ...]:
    """Return the schema's columns, each with those below it.

    Args:
        variants: Whether the table may have variants, whose Arrow type is that of any struct of their two fields.
    """
    return tuple(_describe(field, variants) for field in schema)


def leaf_paths(schema: pa.Schema, *, variants: bool = False) -> list[tuple[str, ...]]:
    """Return the paths of the columns that may have statistics: leaves, through structs alone, without variants."""
    return [path for field in schema for path in _leaves(field, (), variants)]


def has_variants(reader_features: Collection[str]) -> bool:
    """Say whether a table of these features may have variants."""
    return any(feature.startswith("variantType") for feature in reader_features)


def is_variant(field: pa.Field) -> bool:
    """Say whether a field is stored as a variant is; mapped columns that look alike have names of their own."""
    type_ = field.type
    if not pa.types.is_struct(type_) or type_.num_fields != 2:
        return False
    below = _below(type_)
    return {one.name for one in below} == {"metadata", "value"} and all(
        pa.types.is_binary(one.type)
        and not one.nullable
        and PHYSICAL_NAME not in (one.metadata or {})
        for one in below
    )


def fields_in(schema: pa.Schema) -> Iterator[pa.Field]:
    """Yield every field of the schema, at every level."""
    waiting = list(schema)
    while waiting:
        field = waiting.pop()
        yield field
        waiting.extend(_below(field.type))


def type_name(type_: pa.DataType) -> str:
    """Return Delta's name of an Arrow type; Delta PROTOCOL.md, "Schema Serialization Format"."""
    if pa.types.is_timestamp(type_):
        return "timestamp" if type_.tz else "timestamp_ntz"
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    if pa.types.is_map(type_):
        return f"map<{type_name(type_.key_type)},{type_name(type_.item_type)}>"
    if _is_list(type_):
        return f"array<{type_name(type_.value_type)}>"
    if pa.types.is_struct(type_):
        return "struct"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "string"
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return "binary"
    return _NAMES.get(type_, str(type_))


def _describe(field: pa.Field, variants: bool) -> Column:
    is_leaf = variants and is_variant(field)
    metadata = field.metadata or {}
    physical = metadata.get(PHYSICAL_NAME)
    field_id = metadata.get(FIELD_ID)
    return Column(
        name=field.name,
        type="variant" if is_leaf else type_name(field.type),
        nullable=field.nullable,
        physical_name=None if physical is None else physical.decode(),
        field_id=None if field_id is None else int(field_id),
        fields=()
        if is_leaf
        else tuple(_describe(below, variants) for below in _shown_below(field.type)),
    )


def _below(type_: pa.DataType) -> list[pa.Field]:
    if pa.types.is_map(type_):
        return [type_.key_field, type_.item_field]
    if _is_list(type_) or pa.types.is_struct(type_):
        return [type_.field(i) for i in range(type_.num_fields)]
    return []


def _shown_below(type_: pa.DataType) -> list[pa.Field]:
    below = _below(type_)
    if pa.types.is_struct(type_) or any(_below(field.type) for field in below):
        return below
    # ``array<long>`` and ``map<string,long>`` say all there is.
    return []


def _leaves(field: pa.Field, above: tuple[str, ...], variants: bool) -> Iterator[tuple[str, ...]]:
    path = (*above, field.name)
    if variants and is_variant(field):
        return
    if pa.types.is_struct(field.type):
        for below in _below(field.type):
            yield from _leaves(below, path, variants)
    elif not _below(field.type):
        yield path


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_))
