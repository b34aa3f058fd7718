"""Owns which columns are read, and how a file's columns become the table's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from deltastream.errors import FileCorruptError
from deltastream.types import FileContext

__all__ = ["Projection"]


@dataclass(frozen=True, slots=True)
class Projection:
    """The wanted columns of the table, in order; `partition_columns` come from the log, the rest from the file."""

    schema: pa.Schema
    partition_columns: frozenset[str]
    dictionary_columns: frozenset[str] = frozenset()
    """Columns that may be decoded as dictionaries: those whose values become Python objects."""

    @property
    def file_columns(self) -> list[str]:
        return [name for name in self.schema.names if name not in self.partition_columns]

    def find(self, file_names: list[str]) -> dict[str, str]:
        """Return the file's name of each wanted column that it has.

        Names match exactly, or else, as in Spark, if a single one matches without regard to case.
        """
        exact = set(file_names)
        found = {}
        for name in self.file_columns:
            alike = (
                [name] if name in exact else [n for n in file_names if n.lower() == name.lower()]
            )
            if len(alike) == 1:
                found[name] = alike[0]
        return found

    def conform(
        self,
        names: Sequence[str],
        columns: dict[str, pa.Array],
        partition: dict[str, pa.Scalar],
        num_rows: int,
        context: FileContext,
    ) -> dict[str, pa.Array]:
        """Return the table's columns `names`: cast where the file's type is another, null where the file lacks one."""
        arrays = {}
        for name in names:
            field = self.schema.field(name)
            if name in columns:
                arrays[name] = self._cast(columns[name], field, context)
            elif name in self.partition_columns:
                arrays[name] = pa.repeat(partition[name], num_rows)
            else:
                # A column added to the table after this file was written.
                arrays[name] = pa.nulls(num_rows, field.type)
        return arrays

    def _cast(self, array: pa.Array, field: pa.Field, context: FileContext) -> pa.Array:
        is_dictionary = pa.types.is_dictionary(array.type)
        if array.type.equals(field.type) or (
            is_dictionary and field.name in self.dictionary_columns
        ):
            return array
        try:
            return array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise FileCorruptError(
                f"{context}: column {field.name!r} is {array.type} in the file and {field.type} in the table's schema, "
                f"and its values do not convert: {error}"
            ) from error
