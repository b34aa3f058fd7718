"""Owns the reading of commit files from the storage."""

from __future__ import annotations

from collections.abc import Sequence

from deltastream.engine.ordered import map_ordered
from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError, StorageError, TableError
from deltastream.log.commit import Commit, CommitFile, parse_commits
from deltastream.log.listing import LOG_FOLDER
from deltastream.storage import Storage

__all__ = ["commit_name", "read_commit", "read_commits"]

_COMMITS_TOGETHER = 32
"""Commits read and parsed together: a hop between threads, or an Arrow array, costs more than a small commit."""

_NUM_TASKS = 16
"""Enough to hide the round trips of an object store; a local log is bound by its threads."""


def commit_name(storage: Storage, version: int) -> str:
    """Return how messages name the commit file of `version`."""
    return f"{storage.uri}/{_path(version)}"


async def read_commit(storage: Storage, version: int) -> bytes:
    """Return the bytes of a commit that the listing has.

    Raises:
        LogCorruptError: It is gone.
        StorageError: The store did not give it.
        TableError: It cannot be read.
    """
    return (await _read(storage, [version]))[0]


async def read_commits(
    storage: Storage, versions: range, *, keep_statistics: bool, pool: DecodePool
) -> list[Commit]:
    """Read and parse the commits of `versions`, many at a time; the result is in their order.

    Raises:
        LogCorruptError: One is torn, damaged or gone.
        StorageError: The store did not give one.
        TableError: One cannot be read.
    """

    async def read_some(part: range) -> list[Commit]:
        contents = await _read(storage, part)
        files = [
            CommitFile(version, data, commit_name(storage, version))
            for version, data in zip(part, contents, strict=True)
        ]
        return await pool.run(parse_commits, files, keep_statistics=keep_statistics)

    parts = [
        versions[i : i + _COMMITS_TOGETHER] for i in range(0, len(versions), _COMMITS_TOGETHER)
    ]
    found = await map_ordered(read_some, parts, num_tasks=min(_NUM_TASKS, len(parts)))
    return [commit for commits in found for commit in commits]


async def _read(storage: Storage, versions: Sequence[int]) -> list[bytes]:
    try:
        found = await storage.read_all([_path(version) for version in versions])
    except FileNotFoundError as error:
        raise LogCorruptError(
            f"{error.filename} was listed and is gone: the log is being cleaned; "
            "open the table again"
        ) from error
    except StorageError:
        raise
    except OSError as error:
        raise TableError(f"{error.filename} cannot be read: {error}") from error
    # The parser looks for lines, which a memoryview cannot.
    return [bytes(data) for data in found]


def _path(version: int) -> str:
    return f"{LOG_FOLDER}/{version:020d}.json"
