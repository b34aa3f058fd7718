"""Owns planning's second half: what becomes of the columns, from the fields and a look at the first rows."""

from __future__ import annotations

from collections.abc import Sequence

from deltastream.batch import Layout, resolve_layout
from deltastream.dataset.first_rows import FirstRows, values_may_decide
from deltastream.engine.pool import DecodePool
from deltastream.fields import FieldSpec
from deltastream.pipeline import PlannedRows, RowsRequest, plan_rows, run_planning

__all__ = ["plan_table"]


def plan_table(
    request: RowsRequest, *, fields: Sequence[FieldSpec] | None, row_dicts: bool
) -> tuple[PlannedRows, Layout]:
    """Read the log, and no more of the data than the counts and the fields' shapes need. Blocks."""

    async def plan(pool: DecodePool) -> tuple[PlannedRows, Layout]:
        rows = await plan_rows(request, pool)
        first_rows = FirstRows(rows)
        if values_may_decide(fields, rows.schema, row_dicts=row_dicts):
            await first_rows.read_vectors()
        layout = await pool.run(
            resolve_layout,
            rows.schema,
            fields,
            row_dicts=row_dicts,
            first_rows=first_rows.find,
        )
        return rows, layout

    return run_planning(plan)
