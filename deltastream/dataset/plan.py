"""Owns the plan of a dataset: a read plan, and the batches its rows become."""

from __future__ import annotations

from dataclasses import dataclass

from deltastream.batch import Layout, prune_schema
from deltastream.decode import Projection
from deltastream.pipeline import PlannedRows, ReadPlan

__all__ = ["BatchPlan", "project"]


@dataclass(frozen=True, slots=True)
class BatchPlan(ReadPlan):
    """What every consumer of a dataset reads, and how it is batched."""

    layout: Layout
    pad: bool

    @property
    def window_nbytes(self) -> int:
        """About how many bytes a full shuffle window has, from the fields' widths or else the files' sizes."""
        num_rows = int(self.live_rows.sum())
        width = self.layout.row_nbytes
        if width is None:
            nbytes = int(self.snapshot.files["nbytes"].to_numpy().sum())
            width = -(-nbytes // num_rows) if num_rows else 0
        return min(width * min(num_rows, self.order.shuffle_rows), self.order.shuffle_nbytes)


def project(rows: PlannedRows, layout: Layout) -> Projection:
    """Return the columns that the fields are made of."""
    snapshot, columns = rows.snapshot, layout.columns
    return Projection(
        prune_schema(rows.schema, layout.paths),
        frozenset(snapshot.partition_columns) & frozenset(columns),
        layout.object_columns,
        snapshot.column_mapping,
    )
