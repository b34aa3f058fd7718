"""Owns what the user's fields name in the schema, with structs expanded into their fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from deltastream.fields import FieldSpec
from deltastream.predicate import Path, parse_column, resolve_column
from deltastream.types import is_variant

__all__ = ["Source", "expand", "is_struct", "name_source"]


@dataclass(frozen=True, slots=True)
class Source:
    """A field of the batch whose kind is to be decided."""

    spec: FieldSpec
    columns: tuple[tuple[Path, pa.DataType], ...]
    keys: tuple[str, ...]
    is_inside: bool = False
    """Whether its options were given for a struct around it: then those are left out that its type has no use for."""

    @property
    def name(self) -> str:
        """Of its first column."""
        return ".".join(self.columns[0][0])

    @property
    def type(self) -> pa.DataType:
        return self.columns[0][1]

    @property
    def is_stack(self) -> bool:
        """Whether columns were named as several, even if it is one."""
        return not isinstance(self.spec.name, str) and not self.is_inside


def name_source(schema: pa.Schema, spec: FieldSpec) -> Source:
    """Return what `spec` names.

    Raises:
        SchemaError: A column isn't there.
    """
    return Source(spec, tuple(_find(schema, name) for name in spec.names), (spec.target,))


def _find(schema: pa.Schema, name: str) -> tuple[Path, pa.DataType]:
    if name in schema.names:
        # A column's own name comes before all that it could mean as a path, dots and quotes.
        return (name,), schema.field(name).type
    return resolve_column(schema, parse_column(name))


def expand(source: Source) -> Iterator[Source]:
    """Yield a struct's mask, if it has one, and its fields; what is none, itself."""
    spec = source.spec
    decodes = spec.is_per_row or spec.decoded_shape is not None
    if decodes or source.is_stack or not is_struct(source.type):
        yield source
        return
    path, type_ = source.columns[0]
    # Delta PROTOCOL.md, "Variant Data Type": its two binary values are no arrays, whatever their first lengths.
    if is_variant(type_) and spec.ragged is None:
        spec = replace(spec, ragged=True)
    for field in type_:
        leaf = Source(
            spec, (((*path, field.name), field.type),), (*source.keys, field.name), is_inside=True
        )
        yield from expand(leaf)
    if spec.null_mask:
        *outer, key = source.keys
        yield Source(spec, source.columns, (*outer, f"{key}_mask"), is_inside=True)


def is_struct(type_: pa.DataType) -> bool:
    """Whether values of the type have fields of their own in a batch."""
    return bool(pa.types.is_struct(type_)) and type_.num_fields > 0
