"""Owns the read plan: everything a consumer needs, computed once in the parent and pickled to the workers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch import Layout
from deltastream.decode import Projection
from deltastream.options import OrderOptions
from deltastream.plan import EpochOrder
from deltastream.types import Snapshot

__all__ = ["ReadOptions", "ReadPlan"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read, without influence on what is read."""

    memory_budget: int
    """Bytes one iterator may hold."""
    decode_threads: int
    transform_threads: int
    """How many threads may run transforms at once."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A snapshot and what is wanted of it."""

    snapshot: Snapshot
    num_records: npt.NDArray[np.int64]
    """Rows per file of the snapshot, those that do not live among them."""
    live_rows: npt.NDArray[np.int64]
    """Live rows per file of the snapshot."""
    order: OrderOptions
    layout: Layout
    pad: bool

    @property
    def projection(self) -> Projection:
        """The columns to decode."""
        columns = self.layout.columns
        return Projection(
            pa.schema([self.snapshot.schema.field(name) for name in columns]),
            frozenset(self.snapshot.partition_columns) & frozenset(columns),
            self.layout.object_columns,
            self.snapshot.column_mapping,
        )

    @property
    def window_nbytes(self) -> int:
        """About how many bytes a full shuffle window has, from the fields' widths or else the files' sizes."""
        num_rows = int(self.live_rows.sum())
        width = self.layout.row_nbytes
        if width is None:
            nbytes = int(self.snapshot.files["nbytes"].to_numpy().sum())
            width = -(-nbytes // num_rows) if num_rows else 0
        return min(width * min(num_rows, self.order.shuffle_rows), self.order.shuffle_nbytes)

    def epoch(self, epoch: int, *, lanes: int) -> EpochOrder:
        return EpochOrder(self.live_rows, self.order, lanes=lanes, epoch=epoch)

    def partition(self, file: int) -> dict[str, pa.Scalar]:
        """Return the partition values of one file."""
        return {
            name: self.snapshot.partitions[name][file] for name in self.snapshot.partition_columns
        }
