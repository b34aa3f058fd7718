"""Owns what is asked of Arrow types: how many leaves they have in Parquet, and what they are without decoration."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

__all__ = [
    "children_of",
    "has_views",
    "is_nested",
    "num_leaves",
    "plain_type",
    "storage_type",
]

_VIEWS = (
    pa.types.is_list_view,
    pa.types.is_large_list_view,
    pa.types.is_string_view,
    pa.types.is_binary_view,
)


def storage_type(type_: pa.DataType) -> pa.DataType:
    """Return what an extension type is stored as (writers leave such types in ``ARROW:schema``), else the type."""
    while isinstance(type_, pa.BaseExtensionType):
        type_ = type_.storage_type
    return type_


def is_nested(type_: pa.DataType) -> bool:
    """Whether a storage type has several leaves in Parquet: a dictionary, nested for Arrow, is one."""
    return type_.num_fields > 0 and not pa.types.is_dictionary(type_)


def children_of(type_: pa.DataType) -> Iterator[pa.Field]:
    """Yield the fields of a nested storage type, in the order of their leaves: those of a map are key and value."""
    if pa.types.is_map(type_):
        yield type_.key_field
        yield type_.item_field
    else:
        for i in range(type_.num_fields):
            yield type_.field(i)


def num_leaves(type_: pa.DataType) -> int:
    """Count the columns that Parquet makes of a type."""
    type_ = storage_type(type_)
    if not is_nested(type_):
        return 1
    return sum(num_leaves(field.type) for field in children_of(type_))


def has_views(type_: pa.DataType) -> bool:
    """Whether a type has views, of lists or of bytes, at any depth."""
    type_ = storage_type(type_)
    if any(is_view(type_) for is_view in _VIEWS):
        return True
    return is_nested(type_) and any(has_views(field.type) for field in children_of(type_))


def plain_type(type_: pa.DataType) -> pa.DataType:
    """Return the type without the metadata of its fields."""
    if pa.types.is_struct(type_):
        return pa.struct([_plain_field(field) for field in children_of(type_)])
    if pa.types.is_map(type_):
        return pa.map_(_plain_field(type_.key_field), _plain_field(type_.item_field))
    if pa.types.is_list(type_):
        return pa.list_(_plain_field(type_.value_field))
    return type_


def _plain_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, plain_type(field.type), field.nullable)
