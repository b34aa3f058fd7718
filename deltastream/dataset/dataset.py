"""Owns `DeltaDataset`: a version of a Delta table as an iterable dataset of batches."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from math import gcd
from typing import Any, Literal

from torch.utils.data import IterableDataset, get_worker_info

from deltastream.batch import PackedBatch
from deltastream.dataset.agreement import plan_agreed
from deltastream.dataset.batches import BatchIterator
from deltastream.dataset.plan import BatchPlan, project
from deltastream.dataset.planning import plan_table
from deltastream.dataset.progress import EpochCounter
from deltastream.dataset.topology import check_ranks, resolve_ranks
from deltastream.dataset.wrappers import check_wrappers
from deltastream.engine.pool import usable_cores
from deltastream.errors import MemoryBudgetError, OptionError
from deltastream.fields import FieldSpec
from deltastream.options import (
    DEFAULT_MEMORY_BUDGET,
    DEFAULT_SHUFFLE_NBYTES,
    DEFAULT_SHUFFLE_ROWS,
    OrderOptions,
)
from deltastream.pipeline import PipelineStatistics, ReadOptions, RowsRequest
from deltastream.plan import (
    Consumer,
    PartitionFilter,
    Schedule,
    choose_block_rows,
    choose_lanes,
)
from deltastream.predicate import Filter

__all__ = ["DeltaDataset"]


class DeltaDataset(IterableDataset[Any]):
    """One version of a Delta table as batches, in an order that is a function of the seed and the epoch.

    Making it blocks: it reads the log, footers where the log has no row counts, the first rows of lists and binary
    values whose length the fields do not say, and a filter's columns in the files that the log leaves open. It resolves
    the latest version, so that every worker and epoch reads the same one. Iterate it itself, or give it to a
    `DataLoader` with ``batch_size=None``: batches arrive whole.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fields: Sequence[FieldSpec] | None = None,
        *,
        version: int | None = None,
        timestamp: datetime | str | None = None,
        columns: Sequence[str] | None = None,
        partition_filter: PartitionFilter | None = None,
        filter: Filter | None = None,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        lanes: int | Literal["auto"] = "auto",
        pad: bool | None = None,
        rank: int | None = None,
        num_ranks: int | None = None,
        memory_budget: int = DEFAULT_MEMORY_BUDGET,
        decode_threads: int | None = None,
        transform_threads: int | None = None,
        shuffle_rows: int = DEFAULT_SHUFFLE_ROWS,
        shuffle_nbytes: int = DEFAULT_SHUFFLE_NBYTES,
        row_dicts: bool = False,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        """Read the log and plan.

        Args:
            path: The table: a local path or a ``file:`` URI.
            fields: The fields of a batch; None: every column of the table.
            version: The version to read; None: the latest, which rank 0 finds for all ranks of a job.
            timestamp: Read the last version committed at or before this time instead; a naive one is UTC.
            columns: The columns of a batch, in this order, where `fields` does not say more: names, or ``a.b`` for a
                field of a struct, of which only the fields named are read. Backquotes quote a name.
            partition_filter: ``[(column, operator, value), ...]`` on partition columns, all of which hold, or a list
                of such lists, one of which holds. Operators: = == != < <= > >= in, not in.
            filter: Which rows: SQL as it stands after WHERE, ``[(column, operator, value), ...]`` or a list of such
                lists, or a pyarrow expression. Rows for which it is true are kept, neither false nor null.
            batch_size: Rows of a batch.
            shuffle: Permute files, row groups within a block of files, and rows within a window of row groups.
            seed: Of the permutations, in ``[0, 2**63)``.
            drop_last: Leave out the last batch if it is short.
            lanes: Independent streams that the rows are divided into; "auto" chooses. The order depends on it.
            pad: Make all ranks take equally many full batches, by repeating rows at the very end. None: where there
                are several ranks.
            rank: This process's rank; None: from torch.distributed, or torchrun's environment, or 0.
            num_ranks: The number of ranks; given together with `rank`.
            memory_budget: Bytes that an iterator may hold; divided by the number of workers.
            decode_threads: Threads that decode; None: one a core, divided by the number of workers.
            transform_threads: Threads that may run transforms at once; None: as many as decode.
            shuffle_rows: Rows of a shuffle window, at most (a row group is never divided for it).
            shuffle_nbytes: Bytes of a shuffle window, at most (likewise).
            row_dicts: Give each batch as a list of one dict per row.
            storage_options: Accepted and not used: only local tables are read.

        Raises:
            TableError: There is no table, no such version, or it needs a feature we lack.
            SchemaError: A field's column isn't there, or has a type that the field cannot take.
            OptionError: An argument cannot be.
            ReadError: A file that was looked at, for its row count, its first rows or the filter, is missing or
                damaged.
        """
        super().__init__()
        self._rank, self._num_ranks = resolve_ranks(rank, num_ranks)
        self._has_given_rank = rank is not None
        if lanes != "auto" and (isinstance(lanes, bool) or not isinstance(lanes, int) or lanes < 1):
            raise OptionError(f'lanes must be "auto" or an integer of at least 1, got {lanes!r}')
        self._lanes = lanes
        for name, count in (
            ("memory_budget", memory_budget),
            ("decode_threads", decode_threads),
            ("transform_threads", transform_threads),
        ):
            if count is not None and count < 1:
                raise OptionError(f"{name} must be at least 1, got {count}")
        self._memory_budget = memory_budget
        self._decode_threads = decode_threads
        self._transform_threads = transform_threads
        order = OrderOptions(batch_size, shuffle, seed, drop_last, shuffle_rows, shuffle_nbytes)
        if columns is not None and not columns:
            raise OptionError(f"columns takes a list of one name or more, got {columns!r}")
        rows, layout = plan_agreed(
            RowsRequest(
                path, version, timestamp, columns, filter, storage_options, partition_filter
            ),
            partial(plan_table, fields=fields, row_dicts=row_dicts),
            rank=self._rank,
            num_ranks=self._num_ranks,
        )
        self._plan = BatchPlan(
            rows.snapshot,
            rows.num_records,
            rows.live_rows,
            project(rows, layout),
            rows.row_filter,
            replace(order, block_rows=choose_block_rows(rows.live_rows, shuffle_rows=shuffle_rows)),
            layout,
            pad=self._num_ranks > 1 if pad is None else pad,
        )
        self._epochs = EpochCounter()
        self._assigned_epoch: int | None = None
        self._last: weakref.ref[BatchIterator] | None = None
        # A contradiction between ranks and batches is an error here, not in the first epoch.
        self._schedule(Consumer(self._num_ranks, self._rank))

    def __repr__(self) -> str:
        snapshot = self._plan.snapshot
        return (
            f"<DeltaDataset {snapshot.table_uri} version {snapshot.version}: {self.num_rows} rows, "
            f"{len(self)} batches of {self.batch_size}>"
        )

    @property
    def batch_size(self) -> int:
        """Rows of a batch."""
        return self._plan.order.batch_size

    @property
    def drop_last(self) -> bool:
        """Whether a short last batch is left out."""
        return self._plan.order.drop_last

    @property
    def num_rows(self) -> int:
        """Live rows of the version, after the filter."""
        return int(self._plan.live_rows.sum())

    @property
    def version(self) -> int:
        """The version of the table that every epoch reads."""
        return self._plan.snapshot.version

    @property
    def fields(self) -> list[FieldSpec]:
        """The fields of a batch, in order."""
        return list(self._plan.layout.specs)

    def __len__(self) -> int:
        """Return the number of batches of this rank, exactly."""
        return self._schedule(Consumer(self._num_ranks, self._rank)).num_steps

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch `epoch`; those after it count on from there. Reaches running workers too."""
        self._epochs.set(epoch)

    @contextmanager
    def assigned_epoch(self) -> Iterator[None]:
        """Count an iteration for the workers that are started within; a `DeltaDataLoader` does this."""
        self._assigned_epoch = self._epochs.begin()
        try:
            yield
        finally:
            self._assigned_epoch = None

    def __iter__(self) -> Iterator[Any]:
        """Start the next epoch and iterate this consumer's share of it.

        In a `DataLoader`'s worker that is every W-th batch of the rank. Threads start here and end with the iterator.

        Yields:
            Field name to CPU tensor of shape ``(batch_size, *field_shape)``, to a list of that many values, or to a
            dict of these (a struct, or a form of `FieldSpec.ragged`); or a list of row dicts. The last batch is shorter
            unless `drop_last` or `pad`. Tensors are views of memory that is used again when the last of them is
            dropped.

        Raises:
            ReadError: A file is missing, or is not what the log promised.
            UnsupportedFeatureError: A file has a shredded variant, or a deletion vector that is not read.
            SchemaError: A value has another length than its field, or does not fit its dtype.
            NullValueError: A null in a field without a rule for nulls.
            TransformError: A transform raised.
            MemoryBudgetError: The windows of the lanes to be read do not fit the memory budget.
            OptionError: Something around the dataset batches or divides its batches once more, or the process has
                become another rank since the dataset was made.
        """
        check_wrappers(self, num_ranks=self._num_ranks)
        self.check_ranks()
        worker = get_worker_info()
        if worker is None:
            iterator = self._start(Consumer(self._num_ranks, self._rank), self._epochs.begin())
            self._last = weakref.ref(iterator)
            return iterator
        consumer = Consumer(self._num_ranks, self._rank, worker.num_workers, worker.id)
        iterator = self._start(consumer, self._epoch_in_worker(worker.id, worker.seed))
        return iterator if self._plan.layout.row_dicts else map(PackedBatch, iterator)

    def _epoch_in_worker(self, worker: int, seed: int) -> int:
        if self._assigned_epoch is None:
            return self._epochs.begin_in_worker(worker, seed - worker)
        # What the parent assigned came along with this copy of the dataset; a persistent worker's next is in shared
        # memory.
        epoch, self._assigned_epoch = self._assigned_epoch, -1
        return epoch if epoch >= 0 else self._epochs.assigned()

    def statistics(self) -> PipelineStatistics:
        """Return what each stage of the latest iteration in this process did, and how long it waited.

        Raises:
            OptionError: Nothing was iterated in this process, or the iterator is gone.
        """
        iterator = self._last() if self._last is not None else None
        if iterator is None:
            raise OptionError(
                "there is no iterator in this process: workers keep their statistics to themselves"
            )
        return iterator.statistics()

    def check_ranks(self) -> None:
        """Raise if torch.distributed was initialised as another rank since the dataset was made.

        Raises:
            OptionError: It was, and the rank was not given.
        """
        if not self._has_given_rank:
            check_ranks(self._rank, self._num_ranks)

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker cannot see who made it.
        check_wrappers(self, num_ranks=self._num_ranks)
        return {**self.__dict__, "_last": None}

    def _schedule(self, consumer: Consumer) -> Schedule:
        num_microbatches = self._plan.order.num_microbatches(self.num_rows)
        return Schedule(num_microbatches, 0, consumer, self._plan.pad, self.drop_last)

    def _start(self, consumer: Consumer, epoch: int) -> BatchIterator:
        schedule = self._schedule(consumer)
        budget = max(1, self._memory_budget // consumer.num_workers)
        lanes = self._choose_lanes(consumer, budget)
        self._check_lanes(schedule, lanes, budget)
        threads = self._decode_threads or max(1, usable_cores() // consumer.num_workers)
        return BatchIterator(
            self._plan,
            self._plan.epoch(epoch, lanes=lanes),
            schedule,
            ReadOptions(budget, threads),
            transform_threads=self._transform_threads or threads,
        )

    def _choose_lanes(self, consumer: Consumer, budget: int) -> int:
        if self._lanes != "auto":
            return self._lanes
        return choose_lanes(
            num_consumers=consumer.num_consumers,
            num_rows=self.num_rows,
            batch_size=self.batch_size,
            shuffle=self._plan.order.shuffle,
            num_windows=self._plan.num_windows,
            window_nbytes=self._plan.window_nbytes,
            budget_nbytes=budget,
        )

    def _check_lanes(self, schedule: Schedule, lanes: int, budget: int) -> None:
        consumers = schedule.consumer.num_consumers
        open_lanes = lanes // gcd(consumers, lanes)
        needed = open_lanes * self._plan.window_nbytes
        if self._plan.order.shuffle and needed > budget:
            raise MemoryBudgetError(
                f"{open_lanes} open lanes of {lanes}, with a shuffle window of {self._plan.window_nbytes} bytes each, "
                f"need {needed} bytes; the memory budget of this process is {budget}: raise memory_budget, or lower "
                "lanes, shuffle_rows or shuffle_nbytes"
            )
        factor = schedule.reading_factor(lanes)
        if factor > 1:
            good = [consumers * k for k in (1, 2, 3, 4, 6, 8)]
            warnings.warn(
                f"{consumers} consumers do not divide {lanes} lanes: each reads {factor} times what it delivers; "
                f"good numbers of lanes are {', '.join(map(str, good))}",
                stacklevel=3,
            )
