"""Owns the read plan: everything a consumer needs, computed once in the parent and pickled to the workers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.decode import Projection
from deltastream.engine.kept_buffers import KeptBuffers
from deltastream.options import OrderOptions
from deltastream.pipeline.footer_cache import FooterCache
from deltastream.pipeline.selector import RowFilter
from deltastream.plan import EpochOrder
from deltastream.storage import StorageAccess
from deltastream.types import Snapshot

__all__ = ["ReadOptions", "ReadPlan"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read, without influence on what is read."""

    memory_budget: int
    """Bytes one iterator may hold."""
    decode_threads: int


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A snapshot and what is wanted of it."""

    snapshot: Snapshot
    num_records: npt.NDArray[np.int64]
    """Rows per file of the snapshot, those that do not live among them."""
    live_rows: npt.NDArray[np.int64]
    """Live rows per file of the snapshot."""
    projection: Projection
    """The columns to decode."""
    row_filter: RowFilter | None
    """None: no filter, or one that every row of the files passes."""
    order: OrderOptions
    access: StorageAccess = field(default_factory=StorageAccess, kw_only=True, compare=False)
    """How to reach the table."""
    path: str = field(kw_only=True, repr=False, compare=False)
    """What the table is opened by: its URI as it was given, with the secrets it may have, or an absolute path."""
    footers: FooterCache = field(default_factory=FooterCache, kw_only=True, compare=False)
    buffers: KeptBuffers = field(default_factory=KeptBuffers, kw_only=True, compare=False)
    """What epochs leave for later ones."""

    def epoch(self, epoch: int, *, lanes: int) -> EpochOrder:
        return EpochOrder(self.live_rows, self.order, lanes=lanes, epoch=epoch)

    def partition(self, file: int) -> dict[str, pa.Scalar]:
        """Return the partition values of one file."""
        return {
            name: self.snapshot.partitions[name][file] for name in self.snapshot.partition_columns
        }
