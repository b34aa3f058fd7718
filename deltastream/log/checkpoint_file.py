"""Owns the Parquet files of checkpoints and their sidecars: read column by column, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deltastream.errors import LogCorruptError
from deltastream.log.actions import Metadata, Protocol, parse_metadata, parse_protocol
from deltastream.log.column_statistics import parsed_columns, with_statistics
from deltastream.log.deletion_vectors import descriptors_from_struct
from deltastream.log.leaves import Leaf, child_type
from deltastream.log.partition_values import with_partitions
from deltastream.log.paths import decode_paths
from deltastream.log.statistics import num_records

__all__ = [
    "AddBatch",
    "CheckpointFile",
    "CheckpointHead",
    "CheckpointUnreadableError",
    "Wanted",
    "iterate_adds",
    "next_batch",
    "parse_adds",
    "read_head",
    "with_wanted",
]

# Bounds what is in flight to a few MB of statistics per thread; larger batches were no faster.
_BATCH_ROWS = 16_384
_HEAD_COLUMNS = ("protocol", "metaData", "checkpointMetadata", "sidecar")
_ACTIONS = frozenset({*_HEAD_COLUMNS, "add", "remove", "txn", "domainMetadata"})
_NAMES = frozenset({"path", "partitionValues", "deletionVector"})
_DAMAGES = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, LogCorruptError)


class CheckpointUnreadableError(LogCorruptError):
    """This checkpoint is damaged; an older one, or the commits alone, may still do."""

    @classmethod
    def of(cls, name: str, reason: object) -> CheckpointUnreadableError:
        return cls(
            f"checkpoint {name} cannot be read, and nothing older in the log leads to this version: {reason}"
        )


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A Parquet file of a checkpoint."""

    name: str
    """How messages name it."""
    source: str | pa.Buffer
    """The path to open, or the bytes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of an add action beyond what all snapshots have."""

    partitions: tuple[str, ...] = ()
    """The physical names of the partition columns."""
    leaves: tuple[Leaf, ...] = ()
    """The columns whose statistics are asked for."""


@dataclass(frozen=True, slots=True)
class CheckpointHead:
    """Everything in a checkpoint but the file actions."""

    protocol: Protocol | None
    metadata: Metadata | None
    v2_versions: tuple[Any, ...] = ()
    """``checkpointMetadata.version``; every checkpoint of the V2 form, and no other, has one."""
    sidecars: tuple[str, ...] = ()
    """``sidecar.path``, as logged."""

    def __post_init__(self) -> None:
        if not all(isinstance(path, str) for path in self.sidecars):
            raise ValueError(f"sidecar.path is to be a string, found {self.sidecars}")


def read_head(file: CheckpointFile) -> CheckpointHead:
    """Read a checkpoint's file, or one of its parts.

    Raises:
        CheckpointUnreadableError: It is no checkpoint, or damaged.
    """
    found: dict[str, list[Any]] = {name: [] for name in _HEAD_COLUMNS}
    try:
        parquet = _open(file)
        columns = [name for name in _HEAD_COLUMNS if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
            for name in columns:
                found[name].extend(_given(batch.column(name)).to_pylist())
        _check_actions(parquet.schema_arrow)
        return CheckpointHead(
            parse_protocol(found["protocol"][-1], source=file.name) if found["protocol"] else None,
            parse_metadata(found["metaData"][-1], source=file.name) if found["metaData"] else None,
            tuple(action["version"] for action in found["checkpointMetadata"]),
            tuple(action["path"] for action in found["sidecar"]),
        )
    except _DAMAGES as error:
        raise CheckpointUnreadableError.of(file.name, error) from error


@dataclass(frozen=True, slots=True)
class AddBatch:
    """Some rows of the columns of ``add`` that are read."""

    name: str
    adds: pa.RecordBatch


def iterate_adds(files: Sequence[CheckpointFile], wanted: Wanted) -> Iterator[AddBatch]:
    """Yield the adds of `files`, file after file; CheckpointUnreadableError where one is damaged."""
    for file in files:
        try:
            parquet = _open(file)
            _check_actions(parquet.schema_arrow)
            if "add" not in parquet.schema_arrow.names:
                continue
            columns = _add_leaves(parquet.schema_arrow, wanted)
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
                adds = _given(batch.column("add"))
                if len(adds) > 0:
                    yield AddBatch(file.name, pa.RecordBatch.from_struct_array(adds))
        except _DAMAGES as error:
            raise CheckpointUnreadableError.of(file.name, error) from error


def _given(actions: pa.Array) -> pa.Array:
    """Return the rows that have an action; Arrow does not take views, which a writer's ``ARROW:schema`` may ask for."""
    type_ = _without_views(actions.type)
    if type_ != actions.type:
        actions = actions.cast(type_)
    # Most writers put all files one after the other: a part without a copy.
    first = max(0, pc.index(actions.is_valid(), True).as_py())
    together = actions.slice(first, len(actions) - actions.null_count)
    return together if together.null_count == 0 else actions.drop_null()


def _without_views(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_without_views(field.type)) for field in type_])
    if pa.types.is_map(type_):
        key, item = type_.key_field, type_.item_field
        return pa.map_(
            key.with_type(_without_views(key.type)), item.with_type(_without_views(item.type))
        )
    if pa.types.is_list(type_):
        value = type_.value_field
        return pa.list_(value.with_type(_without_views(value.type)))
    return type_


def next_batch(batches: Iterator[AddBatch]) -> AddBatch | None:
    """Return the next batch, None at the end."""
    batch = next(batches, None)
    # Arrow's allocator keeps what each batch freed, per thread: 60 MB at 300,000 files.
    pa.default_memory_pool().release_unused()
    return batch


def _check_actions(schema: pa.Schema) -> None:
    """Refuse a file of something else: without protocol and adds, it must not pass for a checkpoint without any."""
    # A part may lack the columns of actions that it has none of: a column that is missing is null in every row.
    if _ACTIONS.isdisjoint(schema.names):
        raise ValueError(f"no column is an action; there are {', '.join(schema.names) or 'none'}")
    if "add" in schema.names:
        _add_leaves(schema, Wanted())


def _add_leaves(schema: pa.Schema, wanted: Wanted) -> list[str]:
    fields = {field.name: field.type for field in schema.field("add").type}
    names = ["path", "size", "modificationTime"]
    if wanted.partitions:
        names.append("partitionValues")
    if absent := [name for name in names if name not in fields]:
        raise ValueError(f"the add actions have no {', '.join(absent)}")
    names += [name for name in ("stats", "deletionVector") if name in fields]
    parsed = fields.get("stats_parsed", pa.null())
    if child_type(parsed, ["numRecords"]) is not None:
        names.append("stats_parsed.numRecords")
    names += [f"stats_parsed.{name}" for name in parsed_columns(parsed, wanted.leaves)]
    return [f"add.{name}" for name in names]


def parse_adds(batch: AddBatch, wanted: Wanted) -> pa.Table:
    """Return the columns of `ADDS`, partition values and statistics as columns of their own.

    Raises:
        CheckpointUnreadableError: An action lacks what the protocol asks for.
    """
    adds = batch.adds
    columns = dict(zip(adds.schema.names, adds.columns, strict=True))
    parsed = columns.get("stats_parsed")
    try:
        for name in _NAMES & columns.keys():
            # Parquet's texts are UTF-8, and Arrow takes their word for it.
            columns[name].validate(full=True)
        texts = columns["stats"].cast(pa.string()) if "stats" in columns else None
        table = pa.table(
            {
                "path": decode_paths(_required(columns, "path", pa.string())),
                "nbytes": _required(columns, "size", pa.int64()),
                "modified_ms": _required(columns, "modificationTime", pa.int64()),
                "num_records": num_records(texts, _counts(parsed), len(adds)),
                "deletion_vector": descriptors_from_struct(
                    columns.get("deletionVector"), len(adds)
                ),
                "partition_values": columns.get("partitionValues", pa.nulls(len(adds))),
            }
        )
        if wanted.partitions and not pa.types.is_map(table.schema.field("partition_values").type):
            raise TypeError(f"add.partitionValues is {columns['partitionValues'].type}, not a map")
        table = with_partitions(table, wanted.partitions)
        return with_statistics(table, wanted.leaves, texts=texts, parsed=parsed)
    except _DAMAGES as error:
        raise CheckpointUnreadableError.of(batch.name, error) from error


def with_wanted(adds: pa.Table, wanted: Wanted) -> pa.Table:
    """Give adds that were read from JSON, with the columns of `ADDS`, the columns of `parse_adds`."""
    texts = pa.concat_arrays([*adds.column("stats").chunks, pa.array([], pa.string())])
    adds = with_partitions(adds.drop_columns(["stats"]), wanted.partitions)
    return with_statistics(adds, wanted.leaves, texts=texts, parsed=None)


def _counts(parsed: pa.StructArray | None) -> pa.Array | None:
    if parsed is None or child_type(parsed.type, ["numRecords"]) is None:
        return None
    return pc.struct_field(parsed, "numRecords")


def _required(columns: dict[str, Any], name: str, type_: pa.DataType) -> pa.Array:
    column = columns[name].cast(type_)
    if column.null_count > 0:
        raise ValueError(f"{column.null_count} add actions have no {name}")
    return column


def _open(file: CheckpointFile) -> pq.ParquetFile:
    source = file.source if isinstance(file.source, str) else pa.BufferReader(file.source)
    # Statistics of timestamps may be INT96, which Arrow reads in nanoseconds: years after 2262 would wrap.
    return pq.ParquetFile(source, memory_map=True, coerce_int96_timestamp_unit="us")
