"""Owns the way from arguments to a plan: the rows, and what becomes of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deltastream.batch import Layout, resolve_layout
from deltastream.dataset.first_rows import FirstRows, values_may_decide
from deltastream.dataset.plan import BatchPlan, project
from deltastream.dataset.provenance import PROVENANCE
from deltastream.engine.pool import DecodePool
from deltastream.errors import OptionError
from deltastream.fields import FieldSpec
from deltastream.options import SEQUENTIAL_WINDOW_NBYTES, WINDOWS_IN_BUDGET, OrderOptions
from deltastream.pipeline import PlannedRows, RowsRequest, plan_rows, run_planning
from deltastream.plan import choose_blocks
from deltastream.storage import Storage

__all__ = ["BatchRequest", "plan_batches"]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Which rows of which table, in which order, and what becomes of them."""

    rows: RowsRequest
    fields: Sequence[FieldSpec] | None
    order: OrderOptions
    memory_budget: int
    pad: bool
    row_dicts: bool
    provenance: bool

    def __post_init__(self) -> None:
        if self.fields is not None:
            fields = self.fields
            if isinstance(fields, (str, FieldSpec)) or not isinstance(fields, Iterable):
                raise OptionError(f"fields takes a list of FieldSpec, got {fields!r}")
            object.__setattr__(self, "fields", tuple(fields))
            for spec in self.fields:
                if not isinstance(spec, FieldSpec):
                    raise OptionError(f"fields takes a list of FieldSpec, got {spec!r} in it")
        if self.provenance and self.row_dicts:
            raise OptionError(
                "provenance is a value of a batch that is a dict: it goes neither with row_dicts nor with collate_fn"
            )


def plan_batches(request: BatchRequest) -> BatchPlan:
    """Read the log, and no more of the data than the counts and the fields' shapes need. Blocks."""
    rows, layout = run_planning(request.rows, lambda storage, pool: _plan(request, storage, pool))
    if request.provenance and PROVENANCE in {field.target for field in layout.fields}:
        raise OptionError(
            f"provenance=True adds {PROVENANCE!r} to a batch, which is a field's name: give it another"
        )
    order = choose_blocks(rows.live_rows, request.order)
    if layout.row_nbytes is not None:
        # Values of varying size stay where they were decoded: to put them together would be one more copy.
        nbytes = min(SEQUENTIAL_WINDOW_NBYTES, request.memory_budget // WINDOWS_IN_BUDGET)
        # Columns that a file lacks, and wider dtypes, are no part of what its footer says.
        num_rows = max(1, nbytes // max(1, layout.row_nbytes))
        order = replace(order, sequential_nbytes=nbytes, sequential_rows=num_rows)
    return BatchPlan(
        rows.snapshot,
        rows.num_records,
        rows.live_rows,
        project(rows, layout),
        rows.row_filter,
        order,
        layout,
        pad=request.pad,
        provenance=request.provenance,
        access=request.rows.access,
        path=rows.path,
    )


async def _plan(
    request: BatchRequest, storage: Storage, pool: DecodePool
) -> tuple[PlannedRows, Layout]:
    fields, row_dicts = request.fields, request.row_dicts
    rows = await plan_rows(request.rows, storage, pool)
    first_rows = FirstRows(rows)
    if values_may_decide(fields, rows.schema, row_dicts=row_dicts):
        await first_rows.prepare(pool)
    layout = await pool.run(
        resolve_layout, rows.schema, fields, row_dicts=row_dicts, first_rows=first_rows.find
    )
    return rows, layout
