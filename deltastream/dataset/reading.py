"""Owns the start of an iterator: in the dataset's own process, and in a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data._utils.worker import WorkerInfo

from deltastream.batch import PackedBatch
from deltastream.dataset.batches import BatchIterator
from deltastream.dataset.cursor import Cursor
from deltastream.dataset.lanes import check_lanes
from deltastream.dataset.plan import BatchPlan
from deltastream.dataset.progress import Progress
from deltastream.dataset.topology import Topology
from deltastream.errors import DeltaStreamError
from deltastream.pipeline import ReadOptions

__all__ = ["read_in_worker", "read_share"]


def read_share(
    plan: BatchPlan, cursor: Cursor, topology: Topology, *, num_workers: int = 1
) -> BatchIterator:
    """Begin to read what `cursor` is to take, as one of `num_workers`.

    Raises:
        MemoryBudgetError: The windows of the lanes to be read do not fit the memory budget.
    """
    budget = topology.budget(num_workers)
    check_lanes(plan, cursor.schedule, cursor.lanes, budget)
    threads, transform_threads = topology.threads(num_workers)
    return BatchIterator(
        plan, cursor, ReadOptions(budget, threads), transform_threads=transform_threads
    )


def read_in_worker(progress: Progress, topology: Topology, worker: WorkerInfo) -> Iterator[Any]:
    """Begin to read the share of the worker that this is; an error comes with the first batch."""
    try:
        cursor = progress.begin_in_worker(worker)
        batches = read_share(progress.plan, cursor, topology, num_workers=worker.num_workers)
    except DeltaStreamError as error:
        return _fail_later(error)
    return batches if progress.plan.layout.row_dicts else map(PackedBatch, batches)


def _fail_later(error: DeltaStreamError) -> Iterator[Any]:
    """Raise `error` in ``next()``: a persistent worker that fails in ``iter()`` dies, and nobody is told why."""
    raise error
    yield
