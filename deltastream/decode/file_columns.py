"""Owns the wanted columns in one file: found once, with its footer, and applied to whatever is decoded of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import pyarrow as pa
import pyarrow.types as pt

from deltastream.decode.arrow_types import has_views, plain_type
from deltastream.decode.chunk_sizes import fixed_width
from deltastream.decode.nodes import Leaf, Node
from deltastream.decode.projection import Projection
from deltastream.decode.resolve import Resolver
from deltastream.decode.siblings import Siblings, field_id
from deltastream.errors import FileCorruptError, UnsupportedFeatureError
from deltastream.types import FileContext

__all__ = ["FileColumns", "FilePart", "find_columns"]


_MAX_PARTS = 256
"""Row groups of the same length divide their columns alike; with a filter each may divide them in another way."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """What is read of a file for some wanted columns."""

    names: tuple[str, ...]
    places: tuple[int, ...]
    """The columns that are read, by their place among all that are, sorted."""
    may_be_whole: frozenset[int]
    """Of these the ones that may come with all rows."""
    is_identity: bool
    """Whether the columns that are read are the wanted ones, one by one and in their order."""


@dataclass(frozen=True, slots=True)
class FileColumns:
    """What is read of a file, and what becomes of it."""

    column_leaves: tuple[tuple[int, ...], ...]
    """For each column of the file that is read, in the file's order, its leaves to read, by their index in the file,
    sorted; not all of them need be wanted."""
    found: dict[str, tuple[int, Node]]
    """Wanted columns that the file has: place among the columns that are read, and what becomes of that one."""
    dictionary_leaves: dict[int, str]
    """Of those the ones that may be decoded as dictionaries, and their paths in the file."""
    targets: dict[str, pa.DataType]
    """The type of every wanted column, in order."""

    varying_leaves: tuple[int, ...]
    """Of the leaves those whose values have no fixed width, or not one for each row."""
    row_nbytes: int
    """Bytes of a row in the others."""
    has_views: bool
    """Whether one of the file's columns is made of views, of which Arrow takes no rows: they are conformed before."""
    _parts: dict[tuple[tuple[str, ...], frozenset[str]], FilePart] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def leaves(self) -> tuple[int, ...]:
        """All leaves to read, sorted."""
        return tuple(chain.from_iterable(self.column_leaves))

    def part(self, names: tuple[str, ...], whole: frozenset[str]) -> FilePart:
        """Return what is read for some wanted columns; `whole`: see `DecodeColumns`."""
        part = self._parts.get((names, whole))
        if part is None:
            if len(self._parts) >= _MAX_PARTS:
                self._parts.clear()
            part = self._parts[names, whole] = self._find_part(names, whole)
        return part

    def _find_part(self, names: tuple[str, ...], whole: frozenset[str]) -> FilePart:
        found = {name: self.found[name] for name in names if name in self.found}
        in_order = [place for place, _ in found.values()]
        places = tuple(sorted(set(in_order)))
        unconverted = {name: place for name, (place, node) in found.items() if node.is_identity}
        return FilePart(
            names=names,
            places=places,
            may_be_whole=frozenset(unconverted[name] for name in whole if name in unconverted),
            is_identity=tuple(in_order) == places and tuple(unconverted) == names,
        )

    def conform(
        self,
        names: Sequence[str],
        decoded: Mapping[int, pa.Array],
        partition: Mapping[str, pa.Scalar],
        num_rows: int,
        context: FileContext,
    ) -> dict[str, pa.Array]:
        """Return some wanted columns from the decoded ones: of the table's types, null where the file lacks one.

        `decoded` has the columns that they need, by place.

        Raises:
            FileCorruptError: A value does not fit its column's type.
        """
        arrays = {}
        for name in names:
            target = self.targets[name]
            if name in self.found:
                place, node = self.found[name]
                array = decoded[place]
                arrays[name] = array if node.is_identity else node.conform(array, context)
            elif name in partition:
                arrays[name] = pa.repeat(partition[name], num_rows)
            else:
                arrays[name] = pa.nulls(num_rows, target)
        return arrays


def find_columns(projection: Projection, schema: pa.Schema, context: FileContext) -> FileColumns:
    """Find the wanted columns in a file with this Arrow schema.

    Raises:
        FileCorruptError: A column has a type that its table's writers do not give it, cannot be told from another, or
            has no field id where the table goes by ids.
        UnsupportedFeatureError: A column is a shredded variant.
    """
    # Most files of a table have the schema of the file before, and to compare schemas is 50 times as fast.
    schema = schema.remove_metadata()
    for known, columns in projection.found_last:
        if known.equals(schema, check_metadata=True):
            return columns
    columns = _find(projection, schema, context)
    projection.found_last[:] = [(schema, columns)]
    return columns


def _find(projection: Projection, schema: pa.Schema, context: FileContext) -> FileColumns:
    wanted = [
        field for field in projection.schema if field.name not in projection.partition_columns
    ]
    level = Siblings(schema, 0, projection.column_mapping)
    resolver = Resolver(projection.column_mapping)
    try:
        if projection.column_mapping == "id" and any(not pt.is_null(f.type) for f in wanted):
            _require_ids(schema)
        pairs = {field.name: resolver.resolve(field, level) for field in wanted}
    except FileCorruptError as error:
        raise FileCorruptError(f"{context}: {error}") from None
    except UnsupportedFeatureError as error:
        raise UnsupportedFeatureError(f"{context}: {error}") from None
    present = {
        name: (pair[0], _kept(pair[1]) if name in projection.dictionary_columns else pair[1])
        for name, pair in pairs.items()
        if pair is not None
    }
    firsts = sorted({file_field.first_leaf for file_field, _ in present.values()})
    places = {first: place for place, first in enumerate(firsts)}
    leaves: list[set[int]] = [set() for _ in firsts]
    widths: dict[int, int] = {}
    for file_field, node in present.values():
        leaves[places[file_field.first_leaf]].update(node.leaves)
        if (width := fixed_width(file_field.field.type)) is not None:
            widths[file_field.first_leaf] = width
    return FileColumns(
        column_leaves=tuple(tuple(sorted(some)) for some in leaves),
        found={name: (places[ff.first_leaf], node) for name, (ff, node) in present.items()},
        dictionary_leaves={
            ff.first_leaf: ff.field.name
            for name, (ff, node) in present.items()
            # A dotted path may also be that of a struct's field.
            if name in projection.dictionary_columns
            and isinstance(node, Leaf)
            and node.is_identity
            and "." not in ff.field.name
        },
        targets={field.name: plain_type(field.type) for field in projection.schema},
        varying_leaves=tuple(sorted(leaf for some in leaves for leaf in some - widths.keys())),
        row_nbytes=sum(widths.values()),
        has_views=any(has_views(ff.type) for ff, _ in present.values()),
    )


def _kept(node: Node) -> Node:
    """Return the node that leaves a dictionary of the table's values as it is, where the file's schema has one."""
    if (
        isinstance(node, Leaf)
        and pt.is_dictionary(node.source)
        and node.source.value_type.equals(node.target)
    ):
        return replace(node, is_identity=True)
    return node


def _require_ids(schema: pa.Schema) -> None:
    # Delta PROTOCOL.md, "Reader Requirements for Column Mapping": without field ids "readers must refuse to read that
    # file or return nulls". Nulls would pass for data.
    if len(schema) and all(field_id(field) is None for field in schema):
        raise FileCorruptError(
            "it has no field ids, and the table finds its columns by id (delta.columnMapping.mode = id): "
            "it was not written by a writer of this table"
        )
