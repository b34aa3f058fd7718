"""Owns the inside of a pyarrow expression: Arrow tells nothing about one but by its pickle, which is an IPC file.

The file's metadata is the expression in prefix order, as (key, value) pairs whose keys repeat: ``call`` f, the
arguments, perhaps ``options`` i, ``end`` f; ``field_ref`` name; ``nested_field_ref`` n and n times ``field_ref``;
``literal`` i. Literals and options are the columns of its one record batch (Arrow C++, compute/expression.cc,
``Serialize``).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from struct import unpack_from
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

__all__ = ["Call", "FieldReference", "Node", "open_expression"]


@dataclass(frozen=True, slots=True)
class Call:
    """A function and what it is called with."""

    function: str
    arguments: tuple[Node, ...]
    options: pa.Scalar | None


@dataclass(frozen=True, slots=True)
class FieldReference:
    """A column by name, or a field of one."""

    path: tuple[str, ...]


Node: TypeAlias = Call | FieldReference | pa.Scalar


def open_expression(expression: pc.Expression) -> Node:
    """Return what an expression consists of.

    Raises:
        ValueError: It refers to columns by position, or it is written in a way that is not known here.
    """
    try:
        _, (buffer,) = expression.__reduce__()
        batch = pa.ipc.open_file(buffer).get_batch(0)
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(str(error)) from error
    items = _metadata_items(batch.schema)
    node, end = _read(items, 0, batch)
    if end != len(items):
        raise ValueError(f"unknown keys from {items[end][0]!r} on")
    return node


def _read(items: list[tuple[str, str]], at: int, batch: pa.RecordBatch) -> tuple[Node, int]:
    if at >= len(items):
        raise ValueError("it ends too early")
    key, value = items[at]
    at += 1
    if key == "literal":
        return batch.column(int(value))[0], at
    if key == "field_ref":
        return FieldReference((value,)), at
    if key == "nested_field_ref":
        fields = items[at : at + int(value)]
        if any(name != "field_ref" for name, _ in fields):
            raise ValueError("a nested reference by something else than names")
        return FieldReference(tuple(name for _, name in fields)), at + len(fields)
    if key != "call":
        raise ValueError(f"unknown key {key!r}")
    arguments = []
    options = None
    while at < len(items) and items[at] != ("end", value):
        if items[at][0] == "options":
            options = batch.column(int(items[at][1]))[0]
            at += 1
        else:
            argument, at = _read(items, at, batch)
            arguments.append(argument)
    return Call(value, tuple(arguments), options), at + 1


class _ArrowSchema(ctypes.Structure):
    """The head of the Arrow C data interface's ArrowSchema, whose layout never changes."""

    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_void_p),
    )


def _metadata_items(schema: pa.Schema) -> list[tuple[str, str]]:
    """Return the metadata's pairs in order; `pa.Schema.metadata` is a dict, which keeps one pair of each key."""
    capsule = schema.__arrow_c_schema__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    metadata = _ArrowSchema.from_address(pointer(capsule, b"arrow_schema")).metadata
    if metadata is None:
        raise ValueError("it has no metadata")
    # An int32 count, then for each pair the key and the value, each after its int32 length.
    (count,) = unpack_from("=i", ctypes.string_at(metadata, 4))
    address = metadata + 4
    texts = []
    for _ in range(2 * count):
        (length,) = unpack_from("=i", ctypes.string_at(address, 4))
        texts.append(ctypes.string_at(address + 4, length).decode())
        address += 4 + length
    return list(zip(texts[::2], texts[1::2], strict=True))
