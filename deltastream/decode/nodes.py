"""Owns how the arrays of a file become the table's, at every depth of a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from deltastream.decode.casts import Convert
from deltastream.decode.too_large import refuse_too_large
from deltastream.errors import FileCorruptError
from deltastream.types import FileContext

__all__ = ["Leaf", "List", "Map", "Missing", "Node", "Struct"]

# Arrays are put together from buffers: Arrow's own constructors refuse a null under a field that is not nullable, and
# what the file holds is read as it is.


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that the file lacks: one added to the table later, or a ``void`` one."""

    target: pa.DataType
    leaves: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column of values."""

    path: str
    """For messages: the names down to it, dotted."""
    source: pa.DataType
    target: pa.DataType
    convert: Convert
    leaves: tuple[int]
    is_identity: bool

    def conform(self, array: pa.Array, context: FileContext) -> pa.Array:
        if self.is_identity:
            return array
        try:
            return self.convert(_storage(array))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            refuse_too_large(self.path, array, context)
            raise FileCorruptError(
                f"{context}: column {self.path!r} is {self.source} in the file and {self.target} in the table's "
                f"schema, and its values do not convert: {error}"
            ) from error


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct: its nulls are kept, its children found where they are in the file."""

    target: pa.DataType
    children: tuple[tuple[int, Node] | Missing, ...]
    """In the table's order; the number is the child's place among the children that are read."""
    leaves: tuple[int, ...]
    """Never none: where the file has no wanted child, one that it has tells which structs are null."""
    is_identity: bool

    def conform(self, array: pa.Array, context: FileContext) -> pa.Array:
        if self.is_identity:
            return array
        array = _storage(array)
        children = []
        for child in self.children:
            if isinstance(child, Missing):
                children.append(pa.nulls(len(array), child.target))
            else:
                place, node = child
                children.append(node.conform(array.field(place), context))
        return pa.Array.from_buffers(self.target, len(array), [_validity(array)], children=children)


@dataclass(frozen=True, slots=True)
class List:
    """A list."""

    target: pa.DataType
    element: Node
    leaves: tuple[int, ...]
    is_identity: bool

    def conform(self, array: pa.Array, context: FileContext) -> pa.Array:
        if self.is_identity:
            return array
        array = _storage(array)
        if not pt.is_list(array.type):
            # Large and fixed-size lists and views, which a writer's ARROW:schema may ask for.
            array = _list_of(array)
        offsets, first, length = _offsets(array)
        values = self.element.conform(array.values.slice(first, length), context)
        return pa.Array.from_buffers(
            self.target, len(array), [_validity(array), offsets], children=[values]
        )


@dataclass(frozen=True, slots=True)
class Map:
    """A map."""

    target: pa.DataType
    key: Node
    value: Node
    leaves: tuple[int, ...]
    is_identity: bool

    def conform(self, array: pa.Array, context: FileContext) -> pa.Array:
        if self.is_identity:
            return array
        array = _storage(array)
        offsets, first, length = _offsets(array)
        key = self.key.conform(array.keys.slice(first, length), context)
        value = self.value.conform(array.items.slice(first, length), context)
        entries = pa.Array.from_buffers(
            pa.struct([self.target.key_field, self.target.item_field]),
            length,
            [None],
            children=[key, value],
        )
        return pa.Array.from_buffers(
            self.target, len(array), [_validity(array), offsets], children=[entries]
        )


Node = Leaf | Struct | List | Map


def _storage(array: pa.Array) -> pa.Array:
    while isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array


def _list_of(lists: pa.Array) -> pa.Array:
    """Return lists of any kind as a list array.

    Arrow 26 casts views right only where they lie one after the other, and of other lists the children, too: to
    nonsense, where these have no type.
    """
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = np.zeros(len(lists) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    # Checked: the cast refuses offsets beyond those of a list.
    buffers = [_validity(lists), pa.array(offsets).cast(pa.int32()).buffers()[1]]
    values = pc.list_flatten(lists)
    return pa.Array.from_buffers(pa.list_(values.type), len(lists), buffers, children=[values])


def _validity(array: pa.Array) -> pa.Buffer | None:
    """Return the array's validity bitmap, its first bit being that of the array's first value."""
    if array.null_count == 0:
        return None
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def _offsets(array: pa.Array) -> tuple[pa.Buffer, int, int]:
    """Return the offsets of a list or map, starting at 0, and the first and the number of the values they span."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    if first or offsets.offset:
        offsets = pc.subtract(offsets, pa.scalar(first, offsets.type))
    return offsets.buffers()[1], first, last - first
