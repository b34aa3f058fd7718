"""Owns a look at the first live rows, for what the schema does not say: how long lists and binary values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from deltastream.decode import Projection, decode_first_rows
from deltastream.fields import FieldSpec
from deltastream.pipeline import PlannedRows

__all__ = ["FirstRows", "values_may_decide"]

_FIRST_ROWS = 64
_FIRST_FILES = 16


def values_may_decide(
    fields: Sequence[FieldSpec] | None, schema: pa.Schema, *, row_dicts: bool
) -> bool:
    """Say whether the layout may ask for first rows: it does for lists and binary values of unknown length."""
    if row_dicts:
        return False
    columns = {n.split(".")[0].strip("`").lower() for spec in fields or () for n in spec.names}
    return any(
        _has_lengths(field.type)
        for field in schema
        if fields is None or field.name.split(".")[0].lower() in columns
    )


def _has_lengths(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return any(_has_lengths(field.type) for field in type_)
    return bool(pa.types.is_binary(type_) or pa.types.is_list(type_))


class FirstRows:
    """Finds the first values of columns in the first files of a table that have any."""

    def __init__(self, rows: PlannedRows) -> None:
        self._rows = rows
        self._files: list[int] = np.flatnonzero(rows.live_rows)[:_FIRST_FILES].tolist()
        self._vectors: Mapping[int, bytes] = {}

    async def read_vectors(self) -> None:
        """Read the deletion vectors of the first files: a row that was deleted for its length must not decide one."""
        self._vectors = await self._rows.selector.read_vectors(self._files)

    def find(self, names: list[str]) -> dict[str, pa.Array]:
        """Return the first live values of those columns that have any. Blocks."""
        rows = self._rows
        found: dict[str, pa.Array] = {}
        for file in self._files:
            missing = [name for name in names if name not in found]
            if not missing:
                break
            selection = rows.selector.select(file, self._vectors.get(file))
            projection = Projection(
                pa.schema([rows.schema.field(name) for name in missing]),
                frozenset(rows.snapshot.partition_columns),
                column_mapping=rows.snapshot.column_mapping,
            )
            context = rows.files.context(file, stage="first rows")
            with rows.files.open(file) as source:
                first = decode_first_rows(source, projection, _FIRST_ROWS, context, selection)
            found |= {name: some for name, some in first.items() if some.null_count < len(some)}
        return found
