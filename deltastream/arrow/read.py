"""Owns `read_arrow` and `iter_arrow`: what is to be read, and as what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from deltastream.arrow.batches import ArrowBatches
from deltastream.arrow.schema import logical_schema
from deltastream.decode import Projection
from deltastream.engine.pool import DecodePool, usable_cores
from deltastream.options import (
    DEFAULT_CACHE_NBYTES,
    DEFAULT_MEMORY_BUDGET,
    OrderOptions,
    whole_number,
)
from deltastream.pipeline import ReadOptions, ReadPlan, RowsRequest, plan_rows, run_planning
from deltastream.plan import choose_blocks
from deltastream.predicate import Filter
from deltastream.storage import CredentialsCallback, Storage, StorageAccess, TransportName

__all__ = ["iter_arrow", "read_arrow"]


def read_arrow(
    path: str | os.PathLike[str],
    version: int | None = None,
    timestamp: datetime | str | None = None,
    columns: Sequence[str] | None = None,
    filter: Filter | None = None,
    storage_options: Mapping[str, Any] | None = None,
    *,
    credentials: CredentialsCallback | None = None,
    transport: TransportName = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    cache_nbytes: int = DEFAULT_CACHE_NBYTES,
) -> pa.Table:
    """Read the live rows of one version of a table into memory, in base order, without torch.

    Args:
        path: The table: a local path, or a URI: ``s3:``, ``az:``, ``gs:``, ``uc:`` or another that fsspec reads.
        version: The version to read; None: the latest.
        timestamp: Read the last version committed at or before this time instead; a naive one is UTC.
        columns: The columns, in this order: names, or ``a.b`` for a field of a struct, of which only the fields named
            are read. Backquotes quote a name. None: all of them.
        filter: Which rows: SQL as it stands after WHERE, ``[(column, operator, value), ...]`` or a list of such
            lists, or a pyarrow expression. Rows for which it is true are kept, neither false nor null.
        storage_options: How to reach the table's store, in the words of delta-rs or fsspec; local tables need none.
        credentials: Called for `Credentials` before the first request, and again shortly before they end, in every
            process that reads.
        transport: The client of the store: "fsspec", "obstore", or "auto", which chooses.
        cache_dir: A folder where bytes of data files of a store are kept for later epochs, shared by all processes of a
            machine; None: nowhere.
        cache_nbytes: Bytes that `cache_dir` may take.

    Returns:
        A table of the version's names and types, without the metadata of column mapping: one chunk for each row group
        that has live rows.

    Raises:
        TableError: There is no table, no such version, or it needs a feature we lack.
        SchemaError: A column isn't there.
        OptionError: An argument cannot be.
        StorageError: The table's store did not answer, or refused.
        ReadError: A file is missing, or is not what the log promised.
    """
    with iter_arrow(
        path,
        version,
        timestamp,
        columns,
        filter,
        storage_options,
        credentials=credentials,
        transport=transport,
        cache_dir=cache_dir,
        cache_nbytes=cache_nbytes,
    ) as batches:
        return pa.Table.from_batches(batches, batches.schema)


def iter_arrow(
    path: str | os.PathLike[str],
    version: int | None = None,
    timestamp: datetime | str | None = None,
    columns: Sequence[str] | None = None,
    filter: Filter | None = None,
    storage_options: Mapping[str, Any] | None = None,
    *,
    max_rows: int | None = None,
    memory_budget: int = DEFAULT_MEMORY_BUDGET,
    decode_threads: int | None = None,
    credentials: CredentialsCallback | None = None,
    transport: TransportName = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    cache_nbytes: int = DEFAULT_CACHE_NBYTES,
) -> ArrowBatches:
    """Iterate the live rows of one version of a table as record batches, in base order, without torch.

    Reads the log now and rows ahead of their use, in threads that end with the iterator: when it is used up, closed or
    dropped. It is a context manager that closes itself.

    Args:
        path: As in `read_arrow`, and so are the next five.
        version: See there.
        timestamp: See there.
        columns: See there.
        filter: See there.
        storage_options: See there.
        max_rows: Rows of a batch, at most. None: a batch is what lives of a row group.
        memory_budget: Bytes that may wait to be taken. A row group is decoded whole, also one that is larger.
        decode_threads: Threads that decode; None: one a core.
        credentials: As in `read_arrow`, and so are the next three.
        transport: See there.
        cache_dir: See there.
        cache_nbytes: See there.

    Returns:
        An iterator of record batches, whose `schema` is that of every batch. A batch owns its memory.

    Raises:
        TableError: There is no table, no such version, or it needs a feature we lack; also in ``next()``, where only
            a file tells.
        SchemaError: A column isn't there.
        OptionError: An argument cannot be.
        StorageError: The table's store did not answer, or refused.
        ReadError: A file is missing, or is not what the log promised: in ``next()``, but for what counting its rows
            reads.
    """
    memory_budget = whole_number("memory_budget", memory_budget)
    if max_rows is not None:
        max_rows = whole_number("max_rows", max_rows)
    if decode_threads is not None:
        decode_threads = whole_number("decode_threads", decode_threads)
    access = StorageAccess(storage_options, credentials, transport, cache_dir, cache_nbytes)
    request = RowsRequest(path, version, timestamp, columns, filter, access)

    async def plan(storage: Storage, pool: DecodePool) -> ReadPlan:
        rows = await plan_rows(request, storage, pool)
        snapshot = rows.snapshot
        partitioned = frozenset(snapshot.partition_columns) & frozenset(rows.schema.names)
        projection = Projection(rows.schema, partitioned, column_mapping=snapshot.column_mapping)
        return ReadPlan(
            snapshot,
            rows.num_records,
            rows.live_rows,
            projection,
            rows.row_filter,
            # One row a batch: every row count is a multiple of it.
            choose_blocks(rows.live_rows, OrderOptions(batch_size=1)),
            access=access,
            path=rows.path,
        )

    planned = run_planning(request, plan)
    options = ReadOptions(memory_budget, decode_threads or usable_cores())
    schema = logical_schema(planned.projection.schema)
    return ArrowBatches(planned, schema, options, max_rows=max_rows)
