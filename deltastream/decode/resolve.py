"""Owns the way from one field of a file to one of the table: which leaves are read, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from deltastream.decode.arrow_types import children_of, is_nested, plain_type, storage_type
from deltastream.decode.casts import find_cast
from deltastream.decode.nodes import Leaf, List, Map, Missing, Node, Struct
from deltastream.decode.siblings import FileField, Siblings
from deltastream.errors import FileCorruptError, UnsupportedFeatureError
from deltastream.types import is_variant

__all__ = ["Resolver"]


@dataclass(frozen=True, slots=True)
class Resolver:
    """Finds the fields of one file. What it raises says which column, the caller says which file."""

    column_mapping: str

    def resolve(self, wanted: pa.Field, level: Siblings) -> tuple[FileField, Node] | None:
        """Return the field of `level` that is the table's `wanted`, and what becomes of it; None if the file lacks it.

        Raises:
            FileCorruptError: It has a type that no writer of this table gives it, or it cannot be told from another.
            UnsupportedFeatureError: It is a shredded variant.
        """
        return self._find(wanted, level, wanted.name, whole=False)

    def _find(
        self, wanted: pa.Field, level: Siblings, path: str, *, whole: bool
    ) -> tuple[FileField, Node] | None:
        # `void` columns have nothing but nulls, in files or not; so have those of Parquet's type null.
        found = None if pt.is_null(wanted.type) else level.find(wanted)
        if found is None or pt.is_null(found.type):
            return None
        return found, self._node(wanted.type, found, path, whole=whole)

    def _node(self, wanted: pa.DataType, found: FileField, path: str, *, whole: bool) -> Node:
        """`whole`: every leaf below is read, wanted or not."""
        source, target = found.type, plain_type(wanted)
        if pt.is_struct(wanted) and pt.is_struct(source):
            return self._struct(wanted, found, path, whole=whole)
        if pt.is_list(wanted) and _is_list(source):
            element = self._node(
                wanted.value_type,
                FileField(source.value_field, found.first_leaf),
                f"{path}.element",
                whole=whole,
            )
            return List(target, element, element.leaves, _is_identity(found, target, element))
        if pt.is_map(wanted) and pt.is_map(source):
            key_field, value_field = Siblings(children_of(source), found.first_leaf, "none")
            # A map of which some leaves of the keys are not read is no map for Arrow.
            key = self._node(wanted.key_type, key_field, f"{path}.key", whole=True)
            value = self._node(wanted.item_type, value_field, f"{path}.value", whole=whole)
            leaves = (*key.leaves, *value.leaves)
            return Map(target, key, value, leaves, _is_identity(found, target, key, value))
        # Elements are of no type where every list is null or empty.
        if pt.is_null(source) or not (is_nested(wanted) or is_nested(source)):
            convert = find_cast(source, target)
            if convert is not None:
                leaves = (found.first_leaf,)
                return Leaf(path, source, target, convert, leaves, _is_identity(found, target))
        raise FileCorruptError(
            f"column {path!r} is {source} in the file and {target} in the table's schema: "
            "no writer of Delta tables changes the one into the other"
        )

    def _struct(self, wanted: pa.DataType, found: FileField, path: str, *, whole: bool) -> Struct:
        level = Siblings(children_of(found.type), found.first_leaf, self.column_mapping)
        _refuse_shredded(wanted, level, path)
        pairs = [
            (field, self._find(field, level, f"{path}.{field.name}", whole=whole))
            for field in children_of(wanted)
        ]
        read = sorted(pair[0].first_leaf for _, pair in pairs if pair is not None)
        if whole:
            read = [sibling.first_leaf for sibling in level]
            leaves = {leaf for _, _, leaf in _leaves(found.type, found.first_leaf)}
        elif read:
            leaves = {leaf for _, pair in pairs if pair is not None for leaf in pair[1].leaves}
        else:
            leaves = {min(_leaves(found.type, found.first_leaf))[-1]}
        children = tuple(
            Missing(plain_type(field.type))
            if pair is None
            else (read.index(pair[0].first_leaf), pair[1])
            for field, pair in pairs
        )
        target = plain_type(wanted)
        nodes = [child[1] for child in children if not isinstance(child, Missing)]
        is_identity = len(nodes) == len(children) and _is_identity(found, target, *nodes)
        return Struct(target, children, tuple(sorted(leaves)), is_identity)


def _is_list(type_: pa.DataType) -> bool:
    return bool(
        pt.is_list(type_)
        or pt.is_large_list(type_)
        or pt.is_fixed_size_list(type_)
        or pt.is_list_view(type_)
        or pt.is_large_list_view(type_)
    )


def _is_identity(found: FileField, target: pa.DataType, *children: Node) -> bool:
    # With metadata, as only then the names of elements, keys and values are compared.
    return found.field.type.equals(target, check_metadata=True) and all(
        child.is_identity for child in children
    )


def _leaves(type_: pa.DataType, first: int) -> Iterator[tuple[bool, bool, int]]:
    """Yield the leaves below, those that cost least first when sorted: (is repeated, is of varying width, index)."""
    type_ = storage_type(type_)
    if not is_nested(type_):
        yield False, not _is_fixed(type_), first
        return
    is_repeated = not pt.is_struct(type_)
    for child in Siblings(children_of(type_), first, "none"):
        for repeated, varying, leaf in _leaves(child.type, child.first_leaf):
            yield is_repeated or repeated, varying, leaf


def _is_fixed(type_: pa.DataType) -> bool:
    return bool(pt.is_primitive(type_) or pt.is_decimal(type_))


def _refuse_shredded(wanted: pa.DataType, level: Siblings, path: str) -> None:
    """Refuse what Delta PROTOCOL.md, "Variant Shredding", puts into a file; the variant is not put together again."""
    if is_variant(wanted) and any(sibling.field.name == "typed_value" for sibling in level):
        raise UnsupportedFeatureError(
            f"column {path!r} is a shredded variant in the file (reader feature variantShredding), which is not read: "
            "rewrite the table with shredding off"
        )
