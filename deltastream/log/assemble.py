"""Owns the last step: adds of a checkpoint and of the commits after it become a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from deltastream.errors import LogCorruptError
from deltastream.log.actions import Metadata, Protocol
from deltastream.log.checkpoint_file import Wanted, with_wanted
from deltastream.log.column_statistics import STATISTICS_PREFIX, partition_statistics
from deltastream.log.commit import Commit
from deltastream.log.leaves import find_leaf
from deltastream.log.partition_values import PARTITION_PREFIX, parse_partition_values
from deltastream.log.replay import drop_replaced, reconcile, sort_files
from deltastream.log.schema import parse_schema
from deltastream.types import PHYSICAL_NAME, Snapshot, column_mapping

__all__ = ["TableHead", "assemble", "read_table_head"]

_FILE_COLUMNS = ["path", "nbytes", "modified_ms", "num_records", "deletion_vector"]


@dataclass(frozen=True, slots=True)
class TableHead:
    """Everything about a version of a table but its files, and what is to be read of these."""

    table_uri: str
    version: int
    protocol: Protocol
    metadata: Metadata
    schema: pa.Schema
    partitions: tuple[pa.Field, ...]
    """The fields of the partition columns."""
    statistics_of: tuple[tuple[str, ...], ...]
    wanted: Wanted


def read_table_head(
    table_uri: str,
    version: int,
    protocol: Protocol,
    metadata: Metadata,
    statistics_of: Sequence[Sequence[str]],
) -> TableHead:
    """Parse the schema, and find the partition columns and those whose statistics are asked for.

    Raises:
        UnsupportedFeatureError: The schema needs what we lack.
        LogCorruptError: The schema is none, or lacks a partition column.
    """
    mapping = column_mapping(
        protocol.min_reader_version, protocol.reader_features, metadata.configuration
    )
    schema = parse_schema(metadata.schema_string, column_mapping=mapping, table_uri=table_uri)
    found = [_partition_field(schema, name, table_uri) for name in metadata.partition_columns]
    fields = tuple(field for _, field in found)
    names = [field.name for field in fields]
    wanted = Wanted(
        tuple(name for name, _ in found),
        tuple(find_leaf(schema, path, names) for path in statistics_of),
    )
    paths = tuple(map(tuple, statistics_of))
    return TableHead(table_uri, version, protocol, metadata, schema, fields, paths, wanted)


def _partition_field(schema: pa.Schema, name: str, table_uri: str) -> tuple[str, pa.Field]:
    """Return the field of a partition column, after the name that the adds have for its values."""
    alike = [field for field in schema if field.name == name]
    alike = alike or [field for field in schema if field.name.lower() == name.lower()]
    if len(alike) != 1:
        raise LogCorruptError(
            f"{table_uri}: the table is partitioned by {name!r}, which is no column of its schema"
        )
    # Delta PROTOCOL.md, "Reader Requirements for Column Mapping": partition values go by physical names.
    mapped = (alike[0].metadata or {}).get(PHYSICAL_NAME)
    return (name if mapped is None else mapped.decode()), alike[0]


def assemble(head: TableHead, adds: list[pa.Table], commits: Sequence[Commit]) -> Snapshot:
    """Reconcile the checkpoint's `adds`, if there is one, with the `commits` after it.

    `adds` is a list so that it can be emptied on the way.

    Raises:
        LogCorruptError: Files contradict each other, or a partition value is not of its column's type.
    """
    after = reconcile(commits)
    parts = [drop_replaced(adds.pop(), after.keys)] if adds else []
    parts.append(with_wanted(after.adds, head.wanted))
    files = sort_files(parts, table_uri=head.table_uri, version=head.version)
    paths = files.column("path")
    partitions = {
        field.name: parse_partition_values(
            files.column(PARTITION_PREFIX + name), paths, field, table_uri=head.table_uri
        )
        for name, field in zip(head.wanted.partitions, head.partitions, strict=True)
    }
    statistics = _statistics(head, files, partitions) if head.statistics_of else None
    # Arrow keeps what a replay freed; a loader that runs for days wants it back.
    pa.default_memory_pool().release_unused()
    return Snapshot(
        table_uri=head.table_uri,
        version=head.version,
        table_id=head.metadata.table_id,
        schema=head.schema,
        partition_columns=tuple(partitions),
        configuration=dict(head.metadata.configuration),
        min_reader_version=head.protocol.min_reader_version,
        reader_features=head.protocol.reader_features,
        files=files.select(_FILE_COLUMNS),
        partitions=pa.table(partitions),
        statistics=statistics,
    )


def _statistics(head: TableHead, files: pa.Table, partitions: dict[str, pa.Array]) -> pa.Table:
    columns = [
        files.column(f"{STATISTICS_PREFIX}{i}")
        if leaf.partition is None
        else partition_statistics(partitions[leaf.partition], files.column("num_records"))
        for i, leaf in enumerate(head.wanted.leaves)
    ]
    return pa.table(columns, names=[".".join(path) for path in head.statistics_of])
