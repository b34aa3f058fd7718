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
    earliest, latest = listing.earliest, listing.latest
    if version > latest:
        raise VersionNotFoundError(
            f"{table_uri}: version {version} does not exist; the latest is {latest}"
        )
    if earliest is None:
        raise LogCorruptError(
            f"{table_uri}: the commits in {LOG_FOLDER} begin at {min(listing.commits)} and there is "
            "no checkpoint before them: no version can be rebuilt"
        )
    if version < earliest:
        raise VersionNotFoundError(
            f"{table_uri}: version {version} is no longer in the log; the earliest available is "
            f"{earliest} (the latest is {latest})"
        )
    starts = [found for found in listing.checkpoints if found.version <= version]
    unbroken = _unbroken_from(listing, version)
    newest = starts[0].version if starts else -1
    if unbroken > newest + 1:
        # What is missing after the newest checkpoint is missing after every older one.
        after = f" after the checkpoint of version {newest}" if starts else ""
        raise LogCorruptError(
            f"{table_uri}: commit {unbroken - 1} is missing: version {version} needs every commit"
            f"{after}; restore {LOG_FOLDER}/{unbroken - 1:020d}.json"
        )
    routes = [Route(start, range(start.version + 1, version + 1)) for start in starts]
    routes.append(Route(None, range(version + 1)))
    return [route for route in routes if route.commits.start >= unbroken]


def _unbroken_from(listing: LogListing, version: int) -> int:
    """Return the version from which on, up to `version`, every commit is there; ``version + 1`` where none is."""
    first = version + 1
    while first - 1 in listing.commits:
        first -= 1
    return first
