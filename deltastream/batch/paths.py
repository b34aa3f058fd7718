"""Owns paths into struct columns: from a dotted name to the field it means, and from a column to its values."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import SchemaError

__all__ = ["Path", "find_path", "is_struct", "prune_schema", "take_path"]

Path = tuple[str, ...]
"""A column of the table, and in a struct the names below it."""


def find_path(schema: pa.Schema, name: str) -> tuple[Path, pa.DataType]:
    """Return what `name` means: a column of that name, or else, where it has dots, a field of a struct.

    Raises:
        SchemaError: There is neither.
    """
    found = _find({field.name: field.type for field in schema}, name.split("."))
    if found is None:
        raise SchemaError(
            f"column {name!r} is not in the table; it has {', '.join(map(repr, schema.names))}"
            + _nearest(schema, name)
        )
    return found


def _find(fields: dict[str, pa.DataType], parts: list[str]) -> tuple[Path, pa.DataType] | None:
    # The longest name first: a column "a.b" comes before field b of a struct a.
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name not in fields:
            continue
        if length == len(parts):
            return (name,), fields[name]
        if is_struct(fields[name]):
            found = _find({f.name: f.type for f in fields[name]}, parts[length:])
            if found is not None:
                return (name, *found[0]), found[1]
    return None


def _nearest(schema: pa.Schema, name: str) -> str:
    """Say which fields the struct has that all but the last part of `name` mean."""
    head, _, _ = name.rpartition(".")
    found = _find({field.name: field.type for field in schema}, head.split("."))
    if found is None or not is_struct(found[1]):
        return ""
    return f"; {head!r} has {', '.join(repr(field.name) for field in found[1])}"


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


def prune_schema(schema: pa.Schema, paths: list[Path]) -> pa.Schema:
    """Return the part of `schema` that `paths` lead to, in its order and with its metadata."""
    wanted = {path[0] for path in paths}
    return pa.schema(
        [
            _prune(field, [p[1:] for p in paths if p[0] == field.name])
            for field in schema
            if field.name in wanted
        ],
        schema.metadata,
    )


def _prune(field: pa.Field, paths: list[Path]) -> pa.Field:
    if () in paths:
        return field
    kept = [
        _prune(child, [p[1:] for p in paths if p[0] == child.name])
        for child in field.type
        if any(p[0] == child.name for p in paths)
    ]
    return field.with_type(pa.struct(kept))
