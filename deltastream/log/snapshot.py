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
from deltastream.log.assemble import assemble, read_table_head
from deltastream.log.checkpoint import (
    CheckpointReader,
    CheckpointUnreadableError,
    open_checkpoint,
)
from deltastream.log.commit import Commit
from deltastream.log.commit_files import read_commits
from deltastream.log.listing import LogListing, list_log
from deltastream.log.protocol import check_protocol
from deltastream.log.route import Route, find_routes
from deltastream.log.time_travel import find_version_at, parse_timestamp
from deltastream.options import whole_number
from deltastream.storage import Storage
from deltastream.types import Snapshot

__all__ = ["read_snapshot"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)


async def read_snapshot(
    storage: Storage,
    *,
    pool: DecodePool,
    version: int | None = None,
    timestamp: datetime | str | None = None,
    statistics_of: Sequence[tuple[str, ...]] = (),
) -> Snapshot:
    """Replay the log of the table in `storage` up to one version: the latest, `version`, or that of `timestamp`.

    Lists ``_delta_log``, then reads the newest checkpoint that serves and the commits after it. Of statistics the
    number of records and what is asked for are kept. Files are read and parsed in `pool`, never on the loop.

    Args:
        version: The version; None for the latest.
        timestamp: The version of the last commit at or before it: a datetime or an ISO 8601 string, UTC where it names
            no zone. Excludes `version`.
        statistics_of: Paths of columns, through structs, in logical names; `Snapshot.statistics` has one column for
            each. A path that the schema does not have gives nulls.

    Raises:
        OptionError: Both `version` and `timestamp` are given, or one of them cannot be.
        TableNotFoundError: There is no log.
        VersionNotFoundError: The version never was, or was cleaned.
        LogCorruptError: The log contradicts itself: a gap, a torn commit, no metadata, a value not of its type.
        UnsupportedFeatureError: The table uses a feature that we lack.
    """
    if version is not None:
        if timestamp is not None:
            raise OptionError("version and timestamp exclude each other; give one of them")
        version = whole_number("version", version, least=0)
    at = None if timestamp is None else parse_timestamp(timestamp)
    listing = await list_log(storage, pool=pool)
    if at is not None:

        async def configuration(head: _Head) -> Mapping[str, str]:
            return head.metadata.configuration

        latest = await _replay(
            storage, listing, listing.latest, configuration, keep_statistics=False, pool=pool
        )
        version = await find_version_at(storage, listing, at, latest, pool=pool)
    elif version is None:
        version = listing.latest

    async def snapshot(head: _Head) -> Snapshot:
        return await _read_files(storage, head, statistics_of, pool=pool)

    keep = bool(statistics_of)
    return await _replay(storage, listing, version, snapshot, keep_statistics=keep, pool=pool)


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
    keep_statistics: bool,
    pool: DecodePool,
) -> T:
    """Return `finish(head)` by the first route whose checkpoint can be read."""
    failures: list[CheckpointUnreadableError] = []
    for route in find_routes(listing, version, table_uri=storage.uri):
        try:
            head = await _read_head(
                storage, route, version, keep_statistics=keep_statistics, pool=pool
            )
            return await finish(head)
        except CheckpointUnreadableError as error:
            _logger.debug("%s; trying an older checkpoint", error)
            failures.append(error)
    raise failures[0]


async def _read_head(
    storage: Storage, route: Route, version: int, *, keep_statistics: bool, pool: DecodePool
) -> _Head:
    checkpoint: CheckpointReader | None = None
    protocol: Protocol | None = None
    metadata: Metadata | None = None
    if route.checkpoint is not None:
        checkpoint = await open_checkpoint(storage, route.checkpoint, pool=pool)
        protocol, metadata = checkpoint.head.protocol, checkpoint.head.metadata
    commits = await read_commits(storage, route.commits, keep_statistics=keep_statistics, pool=pool)
    for commit in commits:
        protocol = commit.protocol or protocol
        metadata = commit.metadata or metadata
    for name, action in (("protocol", protocol), ("metaData", metadata)):
        if action is None and route.checkpoint is not None:
            raise CheckpointUnreadableError.of(
                route.checkpoint.paths[0], f"neither it nor a commit after it has a {name} action"
            )
        if action is None:
            raise LogCorruptError(
                f"{storage.uri}, version {version}: the log has no {name} action up to this version"
            )
    assert protocol is not None
    assert metadata is not None
    return _Head(version, checkpoint, commits, protocol, metadata)


async def _read_files(
    storage: Storage, head: _Head, statistics_of: Sequence[Sequence[str]], *, pool: DecodePool
) -> Snapshot:
    check_protocol(head.protocol, head.metadata, table_uri=storage.uri)
    table = await pool.run(
        read_table_head, storage.uri, head.version, head.protocol, head.metadata, statistics_of
    )
    adds: list[pa.Table] = []
    if head.checkpoint is not None:
        adds.append(await head.checkpoint.read_adds(table.wanted))
    return await pool.run(assemble, table, adds, head.commits)
