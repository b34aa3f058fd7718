"""Owns `create_pytorch_dataloader`, with deltatorch's signature and meaning."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from inspect import signature
from numbers import Integral
from typing import Any, Literal, ParamSpec

from deltastream.dataset import DeltaDataset
from deltastream.dataset.topology import check_fixed_rank
from deltastream.errors import OptionError
from deltastream.fields import FieldSpec
from deltastream.loader.legacy import create_from_length
from deltastream.loader.loader import DeltaDataLoader
from deltastream.options import (
    DEFAULT_CACHE_NBYTES,
    DEFAULT_MEMORY_BUDGET,
    DEFAULT_SHUFFLE_NBYTES,
    DEFAULT_SHUFFLE_ROWS,
)
from deltastream.plan import PartitionFilter
from deltastream.predicate import Filter
from deltastream.storage import CredentialsCallback, TransportName

__all__ = ["create_pytorch_dataloader"]

P = ParamSpec("P")


def _dispatch_oldest_form(create: Callable[P, DeltaDataLoader]) -> Callable[P, DeltaDataLoader]:
    """Send calls with an integer as second argument, the table's length, to the form that had one."""
    newer = set(signature(create).parameters)
    oldest = set(signature(create_from_length).parameters)

    @functools.wraps(create)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> DeltaDataLoader:
        if "length" in kwargs or (len(args) > 1 and isinstance(args[1], Integral)):
            if mixed := kwargs.keys() & (newer - oldest):
                raise OptionError(
                    f"deltatorch's oldest form, with the table's length, has no {', '.join(sorted(mixed))}: leave the "
                    "length out, and give fields=[FieldSpec(...), ...]"
                )
            return create_from_length(*args, **kwargs)  # type: ignore[arg-type]
        if mixed := kwargs.keys() & {"src_field", "target_field"}:
            raise OptionError(
                f"{', '.join(sorted(mixed))} belongs to deltatorch's oldest form, whose second argument is the table's "
                "length: give fields=[FieldSpec(...), ...] instead"
            )
        return create(*args, **kwargs)

    return dispatch


@_dispatch_oldest_form
def create_pytorch_dataloader(
    path: str | os.PathLike[str],
    id_field: str | None = None,
    fields: Sequence[FieldSpec] | None = None,
    partition_filter: PartitionFilter | None = None,
    version: int | None = None,
    batch_size: int = 32,
    use_fixed_rank: bool = False,
    rank: int | None = None,
    num_ranks: int | None = None,
    num_workers: int = 0,
    shuffle: bool = False,
    drop_last: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    *,
    timestamp: datetime | str | None = None,
    columns: Sequence[str] | None = None,
    filter: Filter | None = None,
    seed: int = 0,
    lanes: int | Literal["auto"] = "auto",
    pad: bool | None = None,
    memory_budget: int = DEFAULT_MEMORY_BUDGET,
    decode_threads: int | None = None,
    transform_threads: int | None = None,
    shuffle_rows: int = DEFAULT_SHUFFLE_ROWS,
    shuffle_nbytes: int = DEFAULT_SHUFFLE_NBYTES,
    provenance: bool = False,
    credentials: CredentialsCallback | None = None,
    transport: TransportName = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    cache_nbytes: int = DEFAULT_CACHE_NBYTES,
    collate_fn: Callable[[list[dict[str, Any]]], Any] | None = None,
    **dataloader_kwargs: Any,
) -> DeltaDataLoader:
    """Make a DataLoader that streams a Delta table.

    The positional parameters are deltatorch's and mean what they meant; its oldest form, with the table's length as
    second argument, is still understood, with a DeprecationWarning.

    Args:
        path: The table: a local path, or a URI: ``s3:``, ``az:``, ``gs:``, ``uc:`` or another that fsspec reads.
        id_field: Accepted and not needed: rows are counted by the log.
        fields: The fields of a batch; None: every column of the table.
        partition_filter: ``[(column, operator, value), ...]`` on partition columns, or a list of such lists: files that
            do not match are not read. Values may be text, as deltatorch wanted them.
        version: The version to read; None: the latest, resolved here, once.
        batch_size: Rows of a batch.
        use_fixed_rank: Take `rank` and `num_ranks` from the arguments, not from the environment.
        rank: This process's rank, with `use_fixed_rank`.
        num_ranks: The number of ranks, with `use_fixed_rank`.
        num_workers: DataLoader workers. 0 is the fastest unless transforms are slow pure Python: the decode threads
            then work in this process.
        shuffle: Permute files, row groups and rows, differently in each epoch.
        drop_last: Leave out the last batch if it is short.
        storage_options: How to reach the table's store, in the words of delta-rs or fsspec; local tables need none.
        timestamp: Read the last version committed at or before this time instead; a naive one is UTC.
        columns: The columns of a batch, in this order, where `fields` does not say more: names, or ``a.b`` for a field
            of a struct, of which only the fields named are read. Backquotes quote a name.
        filter: Which rows: SQL as it stands after WHERE, ``[(column, operator, value), ...]`` or a list of such lists,
            or a pyarrow expression. Rows for which it is true are kept, neither false nor null.
        seed: Of the shuffle, in ``[0, 2**63)``.
        lanes: Independent streams that the rows are divided into; "auto" chooses. The order depends on it.
        pad: Make all ranks take equally many full batches; None: where there are several ranks.
        memory_budget: Bytes that an iterator may hold; divided by `num_workers`.
        decode_threads: Threads that decode; None: one a core, divided by `num_workers`.
        transform_threads: Threads that may run transforms at once; None: as many as decode.
        shuffle_rows: Rows of a shuffle window, at most (a row group is never divided for it).
        shuffle_nbytes: Bytes of a shuffle window, at most (likewise).
        provenance: Give with each batch, as ``batch["provenance"]``, the file, row group and row of each row.
        credentials: Called for `Credentials` before the first request, and again shortly before they end, in every
            process that reads.
        transport: The client of the store: "fsspec", "obstore", or "auto", which chooses.
        cache_dir: A folder where bytes of data files of a store are kept for later epochs, shared by all processes of a
            machine; None: nowhere.
        cache_nbytes: Bytes that `cache_dir` may take.
        collate_fn: Called with each batch as a list of one dict per row, as in deltatorch; without it a batch is a
            dict of tensors.
        **dataloader_kwargs: For `torch.utils.data.DataLoader`.

    Returns:
        A `torch.utils.data.DataLoader`; each ``iter()`` of it is the next epoch. What a batch is, and what iterating
        raises, `DeltaDataset` says.

    Raises:
        TableError: There is no table, no such version, or it needs a feature we lack.
        SchemaError: A field's column isn't there, or has a type that the field cannot take.
        OptionError: An argument cannot be.
        StorageError: The table's store did not answer, or refused.
        ReadError: A file that was looked at, for its row count, its first rows or the filter, is missing or damaged.
    """
    check_fixed_rank(use_fixed_rank, rank, num_ranks)
    dataset = DeltaDataset(
        path,
        fields,
        version=version,
        timestamp=timestamp,
        columns=columns,
        partition_filter=partition_filter,
        filter=filter,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        drop_last=drop_last,
        lanes=lanes,
        pad=pad,
        rank=rank,
        num_ranks=num_ranks,
        memory_budget=memory_budget,
        decode_threads=decode_threads,
        transform_threads=transform_threads,
        shuffle_rows=shuffle_rows,
        shuffle_nbytes=shuffle_nbytes,
        row_dicts=collate_fn is not None,
        provenance=provenance,
        storage_options=storage_options,
        credentials=credentials,
        transport=transport,
        cache_dir=cache_dir,
        cache_nbytes=cache_nbytes,
    )
    return DeltaDataLoader(
        dataset, collate_fn=collate_fn, num_workers=num_workers, **dataloader_kwargs
    )
