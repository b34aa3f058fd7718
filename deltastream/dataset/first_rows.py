"""Owns a look at the first live rows: a list's or a binary value's length decides the shape of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from deltastream.decode import Projection, decode_first_rows, parse_deletion_vector
from deltastream.fields import FieldSpec
from deltastream.pipeline import PlannedRows
from deltastream.selection import RowSelection
from deltastream.types import Snapshot

__all__ = ["FirstRows", "values_may_decide"]

_FIRST_ROWS = 64
_FIRST_FILES = 16


def values_may_decide(
    fields: Sequence[FieldSpec] | None, schema: pa.Schema, *, row_dicts: bool
) -> bool:
    """Say whether the layout may ask for first rows: it does for lists and binary values of unknown length."""
    if row_dicts:
        return False
    names = schema.names if fields is None else [n for spec in fields for n in spec.names]
    types = [schema.field(name).type for name in names if name in schema.names]
    return any(pa.types.is_binary(type_) or pa.types.is_list(type_) for type_ in types)


class FirstRows:
    """Finds the first values of columns in the first files of a table that have any."""

    def __init__(self, rows: PlannedRows) -> None:
        self._rows = rows
        self._files: list[int] = np.flatnonzero(rows.live_rows)[:_FIRST_FILES].tolist()
        self._selections: dict[int, RowSelection] = {}

    async def read_selections(self) -> None:
        """Read what is deleted of the first files: a row that was deleted for its length must not decide one."""
        vectors = self._rows.vectors
        for file, data in (await vectors.read(self._files)).items():
            vector = vectors.find(file)
            assert vector is not None
            self._selections[file] = parse_deletion_vector(
                data,
                vector,
                num_records=int(self._rows.num_records[file]),
                context=vectors.context(file, vector),
            )

    def find(self, names: list[str]) -> Mapping[str, pa.Array]:
        """Return the first live values of those columns that have any. Blocks."""
        snapshot, files = self._rows.snapshot, self._rows.files
        found: dict[str, pa.Array] = {}
        for file in self._files:
            missing = [name for name in names if name not in found]
            if not missing:
                break
            with files.open(file) as source:
                first = decode_first_rows(
                    source,
                    _projection(snapshot, missing),
                    _FIRST_ROWS,
                    files.context(file, stage="first rows"),
                    self._selections.get(file),
                )
            found |= {name: some for name, some in first.items() if some.null_count < len(some)}
        return found


def _projection(snapshot: Snapshot, names: list[str]) -> Projection:
    return Projection(
        pa.schema([snapshot.schema.field(name) for name in names]),
        frozenset(snapshot.partition_columns),
        column_mapping=snapshot.column_mapping,
    )
