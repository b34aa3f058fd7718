"""Owns `DeltaDataset`: a version of a Delta table as an iterable dataset of batches."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Literal

from torch.utils.data import IterableDataset, get_worker_info

from deltastream.dataset.agreement import plan_agreed
from deltastream.dataset.batches import BatchIterator
from deltastream.dataset.job_store import find_job_store
from deltastream.dataset.locate import locate
from deltastream.dataset.plan import BatchPlan
from deltastream.dataset.planning import BatchRequest, plan_batches
from deltastream.dataset.progress import Progress
from deltastream.dataset.provenance import Provenance
from deltastream.dataset.reading import read_in_worker, read_share
from deltastream.dataset.state import LoaderState
from deltastream.dataset.topology import Topology, check_ranks, resolve_ranks
from deltastream.dataset.wrappers import check_wrappers
from deltastream.errors import OptionError
from deltastream.fields import FieldSpec
from deltastream.options import (
    DEFAULT_CACHE_NBYTES,
    DEFAULT_MEMORY_BUDGET,
    DEFAULT_SHUFFLE_NBYTES,
    DEFAULT_SHUFFLE_ROWS,
    OrderOptions,
    flag,
)
from deltastream.pipeline import PipelineStatistics, RowsRequest
from deltastream.plan import PartitionFilter
from deltastream.predicate import Filter
from deltastream.storage import CredentialsCallback, StorageAccess, TransportName

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
        provenance: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        credentials: CredentialsCallback | None = None,
        transport: TransportName = "auto",
        cache_dir: str | os.PathLike[str] | None = None,
        cache_nbytes: int = DEFAULT_CACHE_NBYTES,
    ) -> None:
        """Read the log and plan.

        Args:
            path: The table: a local path, or a URI: ``s3:``, ``az:``, ``gs:``, ``uc:`` or another that fsspec reads.
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
            provenance: Give with each batch, as ``batch["provenance"]``, the file, row group and row of each row.
            storage_options: How to reach the table's store, in the words of delta-rs or fsspec; local tables need none.
            credentials: Called for `Credentials` before the first request, and again shortly before they end, in every
                process that reads.
            transport: The client of the store: "fsspec", "obstore", or "auto", which chooses.
            cache_dir: A folder where bytes of data files of a store are kept for later epochs, shared by all processes
                of a machine; None: nowhere.
            cache_nbytes: Bytes that `cache_dir` may take.

        Raises:
            TableError: There is no table, no such version, or it needs a feature we lack.
            SchemaError: A field's column isn't there, or has a type that the field cannot take.
            OptionError: An argument cannot be.
            StorageError: The table's store did not answer, or refused.
            ReadError: A file that was looked at, for its row count, its first rows or the filter, is missing or
                damaged.
        """
        super().__init__()
        has_given_rank = rank is not None
        rank, num_ranks = resolve_ranks(rank, num_ranks)
        self._topology = Topology(
            rank,
            num_ranks,
            has_given_rank,
            lanes,
            pad,
            memory_budget,
            decode_threads,
            transform_threads,
        )
        request = BatchRequest(
            RowsRequest(
                path,
                version,
                timestamp,
                columns,
                filter,
                StorageAccess(storage_options, credentials, transport, cache_dir, cache_nbytes),
                partition_filter,
                open_store=partial(find_job_store, rank, num_ranks),
            ),
            fields,
            OrderOptions(batch_size, shuffle, seed, drop_last, shuffle_rows, shuffle_nbytes),
            memory_budget,
            pad=self._topology.pads,
            row_dicts=row_dicts,
            provenance=flag("provenance", provenance),
        )
        if request.rows.columns == ():
            raise OptionError("columns takes a list of one name or more, got none")
        plan = plan_agreed(
            request.rows,
            lambda rows: plan_batches(replace(request, rows=rows)),
            rank=rank,
            num_ranks=num_ranks,
        )
        self.progress = Progress(request, plan, self._topology)
        """What a `DeltaDataLoader` counts in."""
        self._last: weakref.ref[BatchIterator] | None = None

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
        return self._plan.num_rows

    @property
    def version(self) -> int:
        """The version of the table that every epoch reads."""
        return self._plan.snapshot.version

    @property
    def fields(self) -> list[FieldSpec]:
        """The fields of a batch, in order."""
        return list(self._plan.layout.specs)

    def __len__(self) -> int:
        """Return the number of batches that this rank has in a whole epoch, exactly."""
        return self.progress.epoch_steps()

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch `epoch`, from its start; those after it count on from there.

        Right after `load_state_dict` of a state in that very epoch the iteration goes on from the state all the same.
        Reaches running workers too.
        """
        self.progress.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return where this dataset is in the sequence of its epochs: a few hundred bytes, to be kept as JSON.

        In its own process that is behind the last batch that the latest iteration gave; at the end of an epoch, at the
        start of the next one. It is the same on every rank after equally many steps. In a `DataLoader`'s worker it is
        the worker's share of it, for torchdata's `StatefulDataLoader`.

        Raises:
            OptionError: The latest iteration is one of a plain `DataLoader` with workers, or of a `StatefulDataLoader`,
                which counts itself.
        """
        worker = get_worker_info()
        if worker is None:
            return self.progress.state(num_workers=1).to_dict()
        return self.progress.worker_state(worker).to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next iteration go on where `state` was taken, and those after it count on from there.

        Any number of ranks and workers may go on; what lies before the position is not read again. If the dataset was
        made without `version` and `timestamp` it reads the state's version from now on. Iterators that are open go on
        as they are, and count no more.

        Raises:
            OptionError: The state does not fit: the message names every difference, with both values.
            VersionNotFoundError: The commits of the state's version were cleaned.
        """
        self.progress.load(LoaderState.from_dict(state), get_worker_info())

    def __iter__(self) -> Iterator[Any]:
        """Iterate this consumer's share of the next epoch, or of what is left of the one that a state is in.

        In a `DataLoader`'s worker that is every W-th batch of the rank. Threads start here and end with the iterator.
        One that begins at a state counts as an epoch from its first batch on.

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
        check_wrappers(self, num_ranks=self._topology.num_ranks)
        self.check_ranks()
        worker = get_worker_info()
        if worker is None:
            iterator = read_share(self._plan, self.progress.begin(), self._topology)
            self._last = weakref.ref(iterator)
            return iterator
        return read_in_worker(self.progress, self._topology, worker)

    def locate(self, microbatch: int | None = None, *, epoch: int | None = None) -> Provenance:
        """Return where the rows of a batch come from, without reading them. Blocks.

        Reads footers, and of files with deletion vectors or under a filter what says which rows live.

        Args:
            microbatch: Its number in the epoch, all ranks' counted; None: the next one.
            epoch: Its epoch; None: that of the next batch.

        Raises:
            OptionError: There is no such batch.
            ReadError: A file is missing, or is not what the log promised.
        """
        return locate(self.progress, self._topology, microbatch=microbatch, epoch=epoch)

    def statistics(self) -> PipelineStatistics:
        """Return what each stage of the latest iteration in this process did, and how long it waited.

        Raises:
            OptionError: Nothing was iterated in this process, or the iterator is gone.
        """
        iterator = self._last() if self._last is not None else None
        if iterator is None:
            raise OptionError(
                "there is no iterator in this process: ask while one is open (a for loop drops its own when it ends); "
                "workers keep their statistics to themselves"
            )
        return iterator.statistics()

    def check_ranks(self) -> None:
        """Raise if torch.distributed was initialised as another rank since the dataset was made.

        Raises:
            OptionError: It was, and the rank was not given.
        """
        if not self._topology.has_given_rank:
            check_ranks(self._topology.rank, self._topology.num_ranks)

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker cannot see who made it.
        check_wrappers(self, num_ranks=self._topology.num_ranks)
        return {**self.__dict__, "_last": None}

    @property
    def _plan(self) -> BatchPlan:
        return self.progress.plan
