"""Owns the columns whose statistics are asked for: what they are called in the log, and of which type."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from deltastream.types import PHYSICAL_NAME

__all__ = ["Leaf", "child_type", "find_leaf"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One column, or one field within structs."""

    names: tuple[str, ...]
    """The physical names of the way to it, as statistics have them; empty where they have no such column."""
    type: pa.DataType
    partition: str | None = None
    """Its name, if it is a partition column: its statistics are its values."""

    @property
    def has_bounds(self) -> bool:
        """Whether statistics may have the least and the greatest value, in a form that is sure."""
        # PROTOCOL.md does not say how a binary value stands in JSON.
        return not (
            pa.types.is_nested(self.type)
            or pa.types.is_binary(self.type)
            or pa.types.is_null(self.type)
        )


def find_leaf(schema: pa.Schema, path: Sequence[str], partition_columns: Collection[str]) -> Leaf:
    """Return the column at `path`, through structs; exact names go before those that differ by case."""
    siblings: list[pa.Field] = list(schema)
    leaf = Leaf((), pa.null())
    for name in path:
        field = _find(siblings, name)
        if field is None:
            return Leaf((), pa.null())
        physical = (field.metadata or {}).get(PHYSICAL_NAME)
        names = (*leaf.names, field.name if physical is None else physical.decode())
        if len(names) == len(path) == 1 and field.name in partition_columns:
            return Leaf((), field.type, field.name)
        leaf = Leaf(names, field.type)
        siblings = list(field.type) if pa.types.is_struct(field.type) else []
    return leaf


def _find(fields: Sequence[pa.Field], name: str) -> pa.Field | None:
    found = [field for field in fields if field.name == name]
    found = found or [field for field in fields if field.name.lower() == name.lower()]
    return found[0] if len(found) == 1 else None


def child_type(struct: pa.DataType, names: Sequence[str]) -> pa.DataType | None:
    """Return the type at the end of `names` within `struct`; None where there is no such field."""
    for name in names:
        index = struct.get_field_index(name) if pa.types.is_struct(struct) else -1
        if index < 0:
            return None
        struct = struct.field(index).type
    return struct
