"""Owns the way from a log to a snapshot: listing, route, replay."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import pyarrow as pa

from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError, OptionError
from deltastream.log.actions import Metadata, Protocol
from deltastream.log.checkpoint import (
    CheckpointReader,
    CheckpointUnreadableError,
    V2CheckpointError,
    open_checkpoint,
)
from deltastream.log.commit import Commit
from deltastream.log.commit_files import read_commits
from deltastream.log.listing import LogListing, list_log
from deltastream.log.partition_values import (
    PARTITION_PREFIX,
    parse_partition_values,
    with_partitions,
)
from deltastream.log.protocol import check_protocol
from deltastream.log.replay import drop_replaced, reconcile, sort_files
from deltastream.log.route import Route, find_routes
from deltastream.log.schema import parse_schema
from deltastream.log.time_travel import find_version_at, parse_timestamp
from deltastream.storage import Storage
from deltastream.types import PHYSICAL_NAME, Snapshot, column_mapping

__all__ = ["read_snapshot"]

T = TypeVar("T")

_FILE_COLUMNS = ["path", "nbytes", "modified_ms", "num_records", "deletion_vector"]

_logger = logging.getLogger(__name__)


async def read_snapshot(
    storage: Storage,
    *,
    pool: DecodePool,
    version: int | None = None,
    timestamp: datetime | str | None = None,
) -> Snapshot:
    """Replay the log of the table in `storage` up to one version: the latest, `version`, or that of `timestamp`.

    Lists ``_delta_log``, then reads the newest checkpoint that serves and the commits after it. Statistics are read
    for the number of records and dropped. Files are read and parsed in `pool`, never on the loop.

    Args:
        version: The version; None for the latest.
        timestamp: The version of the last commit at or before it: a datetime or an ISO 8601 string, UTC where it names
            no zone. Excludes `version`.

    Raises:
        OptionError: Both `version` and `timestamp` are given, or one of them cannot be.
        TableNotFoundError: There is no log.
        VersionNotFoundError: The version never was, or was cleaned.
        LogCorruptError: The log contradicts itself: a gap, a torn commit, no metadata, a value not of its type.
        UnsupportedFeatureError: The table uses a feature that we lack.
    """
    at = _check_options(version, timestamp)
    listing = await list_log(storage, pool=pool)
    if at is not None:

        async def configuration(head: _Head) -> Mapping[str, str]:
            return head.metadata.configuration

        latest = await _replay(storage, listing, listing.latest, configuration, pool=pool)
        version = await find_version_at(storage, listing, at, latest, pool=pool)
    elif version is None:
        version = listing.latest

    async def snapshot(head: _Head) -> Snapshot:
        return await _read_files(storage, head, pool=pool)

    return await _replay(storage, listing, version, snapshot, pool=pool)


def _check_options(version: int | None, timestamp: datetime | str | None) -> datetime | None:
    if version is not None and timestamp is not None:
        raise OptionError("version and timestamp exclude each other; give one of them")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise OptionError(f"version is an integer, not {version!r}")
    if version is not None and version < 0:
        raise OptionError(f"need version >= 0, got {version}")
    return None if timestamp is None else parse_timestamp(timestamp)


@dataclass(frozen=True, slots=True)
class _Head:
    """Everything about a version but the adds of its checkpoint."""

    version: int
    checkpoint: CheckpointReader | None
    commits: Sequence[Commit]
    protocol: Protocol
    metadata: Metadata


async def _replay(
    storage: Storage,
    listing: LogListing,
    version: int,
    finish: Callable[[_Head], Awaitable[T]],
    *,
    pool: DecodePool,
) -> T:
    """Return `finish(head)` by the first route whose checkpoint can be read."""
    failures: list[CheckpointUnreadableError | V2CheckpointError] = []
    for route in find_routes(listing, version, table_uri=storage.uri):
        try:
            return await finish(await _read_head(storage, route, version, pool=pool))
        except (CheckpointUnreadableError, V2CheckpointError) as error:
            _logger.debug("%s; trying an older checkpoint", error)
            failures.append(error)
    raise failures[0]


async def _read_head(storage: Storage, route: Route, version: int, *, pool: DecodePool) -> _Head:
    checkpoint: CheckpointReader | None = None
    protocol: Protocol | None = None
    metadata: Metadata | None = None
    if route.checkpoint is not None:
        checkpoint = await open_checkpoint(storage, route.checkpoint, pool=pool)
        protocol, metadata = await checkpoint.read_head()
    commits = await read_commits(storage, route.commits, pool=pool)
    for commit in commits:
        protocol = commit.protocol or protocol
        metadata = commit.metadata or metadata
    for name, action in (("protocol", protocol), ("metaData", metadata)):
        if action is None:
            raise LogCorruptError(
                f"{storage.uri}, version {version}: the log has no {name} action up to this version"
            )
    assert protocol is not None
    assert metadata is not None
    return _Head(version, checkpoint, commits, protocol, metadata)


async def _read_files(storage: Storage, head: _Head, *, pool: DecodePool) -> Snapshot:
    check_protocol(head.protocol, head.metadata, table_uri=storage.uri)
    mapping = column_mapping(
        head.protocol.min_reader_version,
        head.protocol.reader_features,
        head.metadata.configuration,
    )
    schema = await pool.run(
        parse_schema, head.metadata.schema_string, column_mapping=mapping, table_uri=storage.uri
    )
    fields = [
        _partition_field(schema, name, storage.uri) for name in head.metadata.partition_columns
    ]
    adds: list[pa.Table] = []
    if head.checkpoint is not None:
        adds.append(await head.checkpoint.read_adds([name for name, _ in fields]))
    return await pool.run(_assemble, storage.uri, head, schema, fields, adds)


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


def _assemble(
    table_uri: str,
    head: _Head,
    schema: pa.Schema,
    fields: Sequence[tuple[str, pa.Field]],
    adds: list[pa.Table],
) -> Snapshot:
    # `adds` is a list so that it can be emptied on the way.
    after = reconcile(head.commits)
    adds = [drop_replaced(adds.pop(), after.keys)] if adds else []
    adds.append(with_partitions(after.adds, [name for name, _ in fields]))
    files = sort_files(adds, table_uri=table_uri, version=head.version)
    paths = files.column("path")
    partitions = {
        field.name: parse_partition_values(
            files.column(PARTITION_PREFIX + name), paths, field, table_uri=table_uri
        )
        for name, field in fields
    }
    # Arrow keeps what a replay freed; a loader that runs for days wants it back.
    pa.default_memory_pool().release_unused()
    return Snapshot(
        table_uri=table_uri,
        version=head.version,
        table_id=head.metadata.table_id,
        schema=schema,
        partition_columns=tuple(field.name for _, field in fields),
        configuration=dict(head.metadata.configuration),
        min_reader_version=head.protocol.min_reader_version,
        reader_features=head.protocol.reader_features,
        files=files.select(_FILE_COLUMNS),
        partitions=pa.table(partitions),
    )
