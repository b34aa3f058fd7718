"""Owns the plan of a dataset: a read plan, and the batches its rows become."""

from __future__ import annotations

from dataclasses import dataclass

from deltastream.batch import Layout
from deltastream.decode import Projection
from deltastream.pipeline import PlannedRows, ReadPlan
from deltastream.plan import window_sizes
from deltastream.predicate import project_columns

__all__ = ["BatchPlan", "project"]


@dataclass(frozen=True, slots=True)
class BatchPlan(ReadPlan):
    """What every consumer of a dataset reads, and how it is batched."""

    layout: Layout
    pad: bool
    provenance: bool
    """Whether each batch says where its rows come from."""

    @property
    def num_rows(self) -> int:
        """Live rows of the version, after the filter."""
        return int(self.live_rows.sum())

    @property
    def num_microbatches(self) -> int:
        """Of an epoch, for all ranks together."""
        return self.order.num_microbatches(self.num_rows)

    @property
    def has_window_nbytes(self) -> bool:
        """Whether `window_nbytes` is no mere upper bound: the files' sizes are those of more columns than are read."""
        if self.layout.row_nbytes is not None:
            return True
        stored = set(self.snapshot.schema.names) - set(self.snapshot.partition_columns)
        return {(name,) for name in stored} <= set(self.layout.paths)

    @property
    def window_nbytes(self) -> int:
        """About how many bytes a full shuffle window has."""
        return self._window_sizes[1]

    @property
    def num_windows(self) -> int:
        """About how many full shuffle windows the table has."""
        return self._window_sizes[0]

    @property
    def _window_sizes(self) -> tuple[int, int]:
        return window_sizes(num_rows=self.num_rows, row_nbytes=self._row_nbytes, options=self.order)

    @property
    def _row_nbytes(self) -> int:
        """About how many bytes a row has, from the fields' widths or else the files' sizes, all columns together."""
        width = self.layout.row_nbytes
        if width is None:
            num_rows = max(1, int(self.num_records.sum()))
            width = -(-int(self.snapshot.files["nbytes"].to_numpy().sum()) // num_rows)
        return width


def project(rows: PlannedRows, layout: Layout) -> Projection:
    """Return the columns that the fields are made of."""
    snapshot = rows.snapshot
    return Projection(
        project_columns(rows.schema, layout.paths),
        frozenset(snapshot.partition_columns) & frozenset(layout.columns),
        layout.object_columns,
        snapshot.column_mapping,
    )
