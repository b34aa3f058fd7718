"""Owns which columns of the table are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from deltastream.decode.file_columns import FileColumns

__all__ = ["Projection"]


@dataclass(frozen=True, slots=True)
class Projection:
    """The wanted columns of the table, in order; `partition_columns` come from the log, the rest from the files."""

    schema: pa.Schema
    """The wanted columns of the table's schema, with the metadata of their fields. A struct, at any depth, may have
    some of its children only: no others are read."""
    partition_columns: frozenset[str]
    dictionary_columns: frozenset[str] = frozenset()
    """Columns that may be decoded as dictionaries: those whose values become Python objects."""
    column_mapping: str = "none"
    """How they are found in the files, as in `Snapshot.column_mapping`."""
    found_last: list[tuple[pa.Schema, FileColumns]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    """The last file schema that they were looked for in, and what was found; any thread may replace it."""
