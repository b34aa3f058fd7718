"""Owns the reading of classic checkpoints, column by column, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError, UnsupportedFeatureError
from deltastream.log.actions import ADDS, Metadata, Protocol, parse_metadata, parse_protocol
from deltastream.log.deletion_vectors import descriptors_from_struct
from deltastream.log.listing import Checkpoint
from deltastream.log.ordered import map_ordered
from deltastream.log.partition_values import with_partitions
from deltastream.log.paths import decode_paths
from deltastream.log.statistics import num_records
from deltastream.storage import Storage

__all__ = ["CheckpointReader", "CheckpointUnreadableError", "V2CheckpointError", "open_checkpoint"]

# Bounds what is in flight to a few MB of statistics per thread; larger batches were no faster.
_BATCH_ROWS = 16_384
_V2_COLUMNS = ("checkpointMetadata", "sidecar")


class CheckpointUnreadableError(LogCorruptError):
    """This checkpoint is damaged; an older one, or the commits alone, may still do."""


class V2CheckpointError(UnsupportedFeatureError):
    """This checkpoint is of the V2 form; a classic one, or the commits alone, may still do."""


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    source: str | pa.Buffer


async def open_checkpoint(
    storage: Storage, checkpoint: Checkpoint, *, pool: DecodePool
) -> CheckpointReader:
    """Return a reader of `checkpoint`; files that are not local are fetched whole.

    Raises:
        CheckpointUnreadableError: A file of it cannot be read.
        V2CheckpointError: It is named as a V2 checkpoint.
    """
    if checkpoint.is_v2:
        raise _refuse_v2(f"{storage.uri}/{checkpoint.paths[0]}")
    parts = []
    for path in checkpoint.paths:
        name, source = f"{storage.uri}/{path}", storage.local_path(path)
        try:
            parts.append(_Part(name, source or pa.py_buffer(await storage.read(path))))
        except OSError as error:
            raise CheckpointUnreadableError(f"checkpoint {name} cannot be read: {error}") from error
    return CheckpointReader(parts, pool)


class CheckpointReader:
    """The files of one checkpoint."""

    def __init__(self, parts: Sequence[_Part], pool: DecodePool) -> None:
        self._parts = parts
        self._pool = pool

    async def read_head(self) -> tuple[Protocol | None, Metadata | None]:
        """Return the protocol and the metadata.

        Raises:
            CheckpointUnreadableError: A file is no checkpoint.
            V2CheckpointError: The rows are those of a V2 checkpoint.
        """
        return await self._pool.run(_read_head, self._parts)

    async def read_adds(self, partition_columns: Sequence[str]) -> pa.Table:
        """Return the adds: the columns of `ADDS`, partition values as columns of their own.

        Raises:
            CheckpointUnreadableError: A file is damaged.
        """
        batches = _iterate_adds(self._parts, partitioned=bool(partition_columns))
        turn = anyio.Lock()

        async def read_some(_: int) -> list[pa.Table]:
            tables: list[pa.Table] = []
            while True:
                # A file is read in order; its batches are parsed side by side.
                async with turn:
                    batch = await self._pool.run(_next, batches)
                if batch is None:
                    return tables
                tables.append(await self._pool.run(_parse_adds, batch, partition_columns))

        num_tasks = self._pool.num_threads
        shares = await map_ordered(read_some, range(num_tasks), num_tasks=num_tasks)
        tables = [table for share in shares for table in share]
        return (
            pa.concat_tables(tables)
            if tables
            else with_partitions(ADDS.empty_table(), partition_columns)
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    name: str
    adds: pa.RecordBatch


def _read_head(parts: Sequence[_Part]) -> tuple[Protocol | None, Metadata | None]:
    protocol: Protocol | None = None
    metadata: Metadata | None = None
    for part in parts:
        found: dict[str, list[Any]] = {"protocol": [], "metaData": []}
        try:
            file = _open(part)
            names = [*found, *_V2_COLUMNS]
            columns = [name for name in names if name in file.schema_arrow.names]
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
                for name in columns:
                    found.setdefault(name, []).extend(batch.column(name).drop_null().to_pylist())
            if any(found.get(name) for name in _V2_COLUMNS):
                raise _refuse_v2(part.name)
            # A file of something else has no protocol either: that must not pass for a log without one.
            _add_leaves(file.schema_arrow, partitioned=False)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise _damaged(part.name, error) from error
        if found["protocol"]:
            protocol = parse_protocol(found["protocol"][-1], source=part.name)
        if found["metaData"]:
            metadata = parse_metadata(found["metaData"][-1], source=part.name)
    return protocol, metadata


def _iterate_adds(parts: Sequence[_Part], *, partitioned: bool) -> Iterator[_Batch]:
    for part in parts:
        try:
            file = _open(part)
            columns = _add_leaves(file.schema_arrow, partitioned=partitioned)
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
                adds = batch.column("add").drop_null()
                if len(adds) > 0:
                    yield _Batch(part.name, pa.RecordBatch.from_struct_array(adds))
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise _damaged(part.name, error) from error


def _add_leaves(schema: pa.Schema, *, partitioned: bool) -> list[str]:
    fields = {field.name: field.type for field in schema.field("add").type}
    wanted = ["path", "size", "modificationTime"]
    if partitioned:
        wanted.append("partitionValues")
    if absent := [name for name in wanted if name not in fields]:
        raise ValueError(f"the add actions have no {', '.join(absent)}")
    wanted += [name for name in ("stats", "deletionVector") if name in fields]
    parsed = fields.get("stats_parsed")
    if (
        parsed is not None
        and pa.types.is_struct(parsed)
        and parsed.get_field_index("numRecords") >= 0
    ):
        wanted.append("stats_parsed.numRecords")
    return [f"add.{name}" for name in wanted]


def _parse_adds(batch: _Batch, partition_columns: Sequence[str]) -> pa.Table:
    adds = batch.adds
    columns = dict(zip(adds.schema.names, adds.columns, strict=True))
    parsed = columns.get("stats_parsed")
    texts = columns.get("stats")
    try:
        table = pa.table(
            {
                "path": decode_paths(_required(columns, "path", pa.string())),
                "nbytes": _required(columns, "size", pa.int64()),
                "modified_ms": _required(columns, "modificationTime", pa.int64()),
                "num_records": num_records(
                    None if texts is None else texts.cast(pa.string()),
                    None if parsed is None else pc.struct_field(parsed, "numRecords"),
                    len(adds),
                ),
                "deletion_vector": descriptors_from_struct(
                    columns.get("deletionVector"), len(adds)
                ),
                "partition_values": columns.get("partitionValues", pa.nulls(len(adds))),
            }
        )
        return with_partitions(table, partition_columns)
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
        raise _damaged(batch.name, error) from error


def _required(columns: dict[str, Any], name: str, type_: pa.DataType) -> pa.Array:
    column = columns[name].cast(type_)
    if column.null_count > 0:
        raise ValueError(f"{column.null_count} add actions have no {name}")
    return column


def _next(batches: Iterator[_Batch]) -> _Batch | None:
    batch = next(batches, None)
    # Arrow's allocator keeps what each batch freed, per thread: 60 MB at 300,000 files.
    pa.default_memory_pool().release_unused()
    return batch


def _open(part: _Part) -> pq.ParquetFile:
    source = part.source if isinstance(part.source, str) else pa.BufferReader(part.source)
    return pq.ParquetFile(source, memory_map=True)


def _damaged(name: str, error: Exception) -> CheckpointUnreadableError:
    return CheckpointUnreadableError(
        f"checkpoint {name} cannot be read, and nothing older in the log leads to this version: {error}"
    )


def _refuse_v2(name: str) -> V2CheckpointError:
    return V2CheckpointError(
        f"checkpoint {name} is a V2 checkpoint (reader feature v2Checkpoint), which is not read yet; "
        "a classic checkpoint, or the JSON commits from version 0, would do"
    )
