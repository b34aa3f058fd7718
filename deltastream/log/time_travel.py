"""Owns the commit timestamps, and the version that was the latest at a given time."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deltastream.engine.ordered import map_ordered
from deltastream.engine.pool import DecodePool
from deltastream.errors import (
    LogCorruptError,
    OptionError,
    UnsupportedFeatureError,
    VersionNotFoundError,
)
from deltastream.log.commit import iterate_actions
from deltastream.log.commit_files import commit_name, read_commit
from deltastream.log.listing import LogListing
from deltastream.storage import Storage
from deltastream.types import ObjectInfo

__all__ = ["find_version_at", "monotonic_ms", "parse_timestamp"]

_TIMES_AT_ONCE = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENABLED = "delta.enableInCommitTimestamps"
_ENABLEMENT_VERSION = "delta.inCommitTimestampEnablementVersion"
_ENABLEMENT_TIMESTAMP = "delta.inCommitTimestampEnablementTimestamp"


def parse_timestamp(timestamp: datetime | str) -> datetime:
    """Return `timestamp`, an ISO 8601 string or a datetime, with its zone; without one it is UTC.

    Raises:
        OptionError: It is neither.
    """
    if isinstance(timestamp, str):
        try:
            timestamp = datetime.fromisoformat(timestamp)
        except ValueError as error:
            raise OptionError(
                f"timestamp={timestamp!r} is not ISO 8601, such as '2026-01-31T12:00:00Z': {error}"
            ) from error
    if not isinstance(timestamp, datetime):
        raise OptionError(f"timestamp is a datetime or an ISO 8601 string, not {timestamp!r}")
    return timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp


def monotonic_ms(modified_ms: Sequence[int]) -> list[int]:
    """Return the modification times of consecutive commits with each at least 1 ms after the one before.

    So does Delta (DeltaHistoryManager.monotonizeCommitTimestamps): clocks of writers and stores go backwards.
    """
    adjusted: list[int] = []
    for time_ms in modified_ms:
        adjusted.append(max(time_ms, adjusted[-1] + 1) if adjusted else time_ms)
    return adjusted


@dataclass(frozen=True, slots=True)
class _InCommit:
    """From which version and time on the in-commit timestamps count."""

    version: int
    time_ms: int | None
    """None where the table had them from its first commit on."""


async def find_version_at(
    storage: Storage,
    listing: LogListing,
    timestamp: datetime,
    configuration: Mapping[str, str],
    *,
    pool: DecodePool,
) -> int:
    """Return the version of the last commit at or before `timestamp`.

    Reads a few commits (a binary search) where the table has in-commit timestamps, none where it has not. Delta
    PROTOCOL.md, "Recommendations for Readers of Tables with In-Commit Timestamps".

    Args:
        configuration: That of the latest version.

    Raises:
        VersionNotFoundError: `timestamp` is before the first commit that is still in the log, or falls where commits
            are missing.
        LogCorruptError: A commit lacks the in-commit timestamp that it is to have.
        UnsupportedFeatureError: The store does not tell when commits were written.
    """
    target_ms = (timestamp - _EPOCH) // timedelta(milliseconds=1)
    earliest = listing.earliest
    versions = sorted(v for v in listing.commits if earliest is not None and v >= earliest)
    in_commit = _in_commit(configuration, table_uri=storage.uri)
    if in_commit is not None and (in_commit.time_ms is None or target_ms >= in_commit.time_ms):
        versions = [version for version in versions if version >= in_commit.version]
        index = await _search(storage, versions, target_ms, pool=pool)
    else:
        if in_commit is not None:
            versions = [version for version in versions if version < in_commit.version]
        commits = [listing.commits[version] for version in versions]
        times_ms = monotonic_ms(await _written_ms(storage, commits))
        index = bisect.bisect_right(times_ms, target_ms) - 1
    if index < 0:
        first = (
            f"the first one in the log is version {versions[0]}" if versions else "there is none"
        )
        raise VersionNotFoundError(
            f"{storage.uri}: no commit at or before {timestamp.isoformat()}; {first}"
        )
    version = versions[index]
    if version < listing.latest and version + 1 not in listing.commits:
        raise VersionNotFoundError(
            f"{storage.uri}: which version was the latest at {timestamp.isoformat()} cannot be told: version {version} "
            f"was committed before, and the commit of version {version + 1} is not in the log; give a version"
        )
    return version


async def _written_ms(storage: Storage, commits: Sequence[ObjectInfo]) -> list[int]:
    """Return when each commit was written, which not every store lists."""

    async def when(commit: ObjectInfo) -> int:
        known = commit if commit.modified_ms >= 0 else await storage.info(commit.path)
        return known.modified_ms

    found = await map_ordered(when, commits, num_tasks=_TIMES_AT_ONCE)
    if any(time_ms < 0 for time_ms in found):
        raise UnsupportedFeatureError(
            f"{storage.uri}: its store does not tell when commits were written, by which `timestamp` is found: give a "
            "version"
        )
    return found


def _in_commit(configuration: Mapping[str, str], *, table_uri: str) -> _InCommit | None:
    if configuration.get(_ENABLED, "false").lower() != "true":
        return None
    version, time_ms = (
        configuration.get(_ENABLEMENT_VERSION),
        configuration.get(_ENABLEMENT_TIMESTAMP),
    )
    try:
        if version is None or time_ms is None:
            return _InCommit(0, None)
        return _InCommit(int(version), int(time_ms))
    except ValueError as error:
        raise LogCorruptError(
            f"{table_uri}: {_ENABLEMENT_VERSION}={version!r}, {_ENABLEMENT_TIMESTAMP}={time_ms!r}: "
            "integers are expected"
        ) from error


async def _search(
    storage: Storage, versions: Sequence[int], target_ms: int, *, pool: DecodePool
) -> int:
    """Return the index of the last version at or before `target_ms`, -1 where there is none."""
    low, high = -1, len(versions) - 1
    while low < high:
        middle = (low + high + 1) // 2
        data = await read_commit(storage, versions[middle])
        source = commit_name(storage, versions[middle])
        if await pool.run(_in_commit_ms, data, source) <= target_ms:
            low = middle
        else:
            high = middle - 1
    return low


def _in_commit_ms(data: bytes, source: str) -> int:
    # The protocol puts commitInfo first, so as a rule one action is parsed.
    for action in iterate_actions(data, source=source):
        information = action.get("commitInfo")
        if isinstance(information, dict):
            time_ms = information.get("inCommitTimestamp")
            if isinstance(time_ms, int):
                return time_ms
            break
    raise LogCorruptError(
        f"{source} has no commitInfo.inCommitTimestamp, though {_ENABLED} is true for the table"
    )
