"""Owns which field of a file stands for a field of the table: by name, by physical name or by field id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from deltastream.decode.arrow_types import num_leaves, storage_type
from deltastream.errors import FileCorruptError
from deltastream.types import FIELD_ID, PHYSICAL_NAME

__all__ = ["FileField", "Siblings", "field_id"]

_Key = TypeVar("_Key")
_PARQUET_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True, slots=True)
class FileField:
    """A field of a file's schema, and the index of the first of its leaves."""

    field: pa.Field
    first_leaf: int

    @property
    def type(self) -> pa.DataType:
        return storage_type(self.field.type)


class Siblings:
    """The fields of one level of a file's schema, the first leaf of the first being number `first_leaf`."""

    def __init__(self, fields: Iterable[pa.Field], first_leaf: int, column_mapping: str) -> None:
        self._column_mapping = column_mapping
        self._fields = list(_place(fields, first_leaf))
        self._exact = _index((f.field.name, f) for f in self._fields)
        self._folded: dict[str, list[FileField]] | None = None
        self._by_id: dict[int, list[FileField]] | None = None

    def __iter__(self) -> Iterator[FileField]:
        return iter(self._fields)

    def find(self, wanted: pa.Field) -> FileField | None:
        """Return the field that stands for `wanted`, or None if the file lacks it.

        Delta PROTOCOL.md, "Reader Requirements for Column Mapping". Names match exactly or else, as in Spark, without
        regard to case. The children of a variant have neither a physical name nor an id: they match by name.

        Raises:
            FileCorruptError: Several fields would do.
        """
        metadata = wanted.metadata or {}
        if self._column_mapping == "id" and FIELD_ID in metadata:
            if self._by_id is None:
                self._by_id = _index(
                    (id_, f) for f in self._fields if (id_ := field_id(f.field)) is not None
                )
            return _only(self._by_id.get(int(metadata[FIELD_ID]), []), wanted)
        name = wanted.name
        if self._column_mapping != "none" and PHYSICAL_NAME in metadata:
            name = metadata[PHYSICAL_NAME].decode()
        if name in self._exact:
            return _only(self._exact[name], wanted)
        if self._folded is None:
            self._folded = _index((f.field.name.lower(), f) for f in self._fields)
        return _only(self._folded.get(name.lower(), []), wanted)


def field_id(field: pa.Field) -> int | None:
    """Return the ``field_id`` of a Parquet schema element; None where its writer gave none."""
    text = (field.metadata or {}).get(_PARQUET_FIELD_ID)
    return None if text is None else int(text)


def _place(fields: Iterable[pa.Field], first_leaf: int) -> Iterator[FileField]:
    for field in fields:
        yield FileField(field, first_leaf)
        first_leaf += num_leaves(field.type)


def _index(items: Iterable[tuple[_Key, FileField]]) -> dict[_Key, list[FileField]]:
    found: dict[_Key, list[FileField]] = {}
    for key, field in items:
        found.setdefault(key, []).append(field)
    return found


def _only(found: list[FileField], wanted: pa.Field) -> FileField | None:
    if len(found) > 1:
        names = ", ".join(repr(f.field.name) for f in found)
        raise FileCorruptError(
            f"several columns of the file could be {wanted.name!r} of the table: {names}"
        )
    return found[0] if found else None
