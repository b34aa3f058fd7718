"""Owns the choice of the checkpoint and the commits that lead to a version."""

from __future__ import annotations

from dataclasses import dataclass

from deltastream.errors import LogCorruptError, VersionNotFoundError
from deltastream.log.listing import LOG_FOLDER, Checkpoint, LogListing

__all__ = ["Route", "find_routes"]


@dataclass(frozen=True, slots=True)
class Route:
    """A checkpoint, or none, and the unbroken commits after it."""

    checkpoint: Checkpoint | None
    commits: range


def find_routes(listing: LogListing, version: int, *, table_uri: str) -> list[Route]:
    """Return the ways to rebuild `version`, the one with the fewest commits first; never empty.

    Raises:
        VersionNotFoundError: `version` was cleaned, or is not written yet.
        LogCorruptError: Commits are missing.
    """
    readable = _readable(listing)
    if version > listing.latest:
        raise VersionNotFoundError(
            f"{table_uri}: version {version} does not exist; the latest is {listing.latest}"
        )
    if not readable:
        raise LogCorruptError(
            f"{table_uri}: the commits in {LOG_FOLDER} begin at {min(listing.commits)} and there is "
            "no checkpoint before them: no version can be rebuilt"
        )
    if not any(version in one for one in readable):
        if version < readable[-1].start:
            raise VersionNotFoundError(
                f"{table_uri}: version {version} is no longer in the log, which can still give "
                f"{_in_words(readable)}"
            )
        # Nothing later can be read either: the log was damaged, not cleaned.
        missing = readable[-1].stop
        raise LogCorruptError(
            f"{table_uri}: commit {missing} is missing: version {version} needs every commit after {missing - 1}; "
            f"restore {LOG_FOLDER}/{missing:020d}.json. The log can still give {_in_words(readable)}"
        )
    starts = [found for found in listing.checkpoints if found.version <= version]
    unbroken = _unbroken_from(listing, version)
    routes = [Route(start, range(start.version + 1, version + 1)) for start in starts]
    routes.append(Route(None, range(version + 1)))
    return [route for route in routes if route.commits.start >= unbroken]


def _unbroken_from(listing: LogListing, version: int) -> int:
    """Return the version from which on, up to `version`, every commit is there; ``version + 1`` where none is."""
    first = version + 1
    while first - 1 in listing.commits:
        first -= 1
    return first


def _readable(listing: LogListing) -> list[range]:
    """Return the versions that can be rebuilt, as ranges in order with a gap between each two."""
    starts = {checkpoint.version for checkpoint in listing.checkpoints}
    if 0 in listing.commits:
        starts.add(0)
    found: list[range] = []
    for start in sorted(starts):
        if found and start < found[-1].stop:
            continue
        stop = start + 1
        while stop in listing.commits or stop in starts:
            stop += 1
        found.append(range(start, stop))
    return found


def _in_words(ranges: list[range]) -> str:
    spans = [str(one[0]) if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in ranges]
    many = len(ranges) > 1 or len(ranges[0]) > 1
    return f"version{'s' if many else ''} {', '.join(spans)}"
