"""Owns planning's second half: what becomes of the columns, from the fields and a look at the first rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch import Layout, resolve_layout
from deltastream.decode import Projection, decode_first_rows
from deltastream.engine.pool import DecodePool
from deltastream.fetch import LocalFiles
from deltastream.fields import FieldSpec
from deltastream.pipeline import PlannedRows, RowsRequest, plan_rows, run_planning
from deltastream.types import Snapshot

__all__ = ["plan_table"]

_FIRST_ROWS = 64
_FIRST_FILES = 16


def plan_table(
    request: RowsRequest, fields: Sequence[FieldSpec] | None, *, row_dicts: bool
) -> tuple[PlannedRows, Layout]:
    """Read the log, and no more of the data than the counts and the fields' shapes need. Blocks."""

    async def plan(pool: DecodePool) -> tuple[PlannedRows, Layout]:
        rows = await plan_rows(request, pool)

        def first_rows(names: list[str]) -> dict[str, pa.Array]:
            return _first_rows(rows.snapshot, rows.files, rows.live_rows, names)

        layout = await pool.run(
            resolve_layout,
            rows.snapshot.schema,
            fields,
            row_dicts=row_dicts,
            first_rows=first_rows,
        )
        return rows, layout

    return run_planning(plan)


def _first_rows(
    snapshot: Snapshot, files: LocalFiles, live_rows: npt.NDArray[np.int64], names: list[str]
) -> dict[str, pa.Array]:
    """Return the first values of some columns, from the first files of the table that have any."""
    found: dict[str, pa.Array] = {}
    for file in np.flatnonzero(live_rows)[:_FIRST_FILES]:
        missing = [name for name in names if name not in found]
        if not missing:
            break
        context = files.context(int(file), stage="first rows")
        projection = Projection(
            pa.schema([snapshot.schema.field(name) for name in missing]),
            frozenset(snapshot.partition_columns),
            column_mapping=snapshot.column_mapping,
        )
        with files.open(int(file)) as source:
            first = decode_first_rows(source, projection, _FIRST_ROWS, context)
        found |= {name: values for name, values in first.items() if values.null_count < len(values)}
    return found
