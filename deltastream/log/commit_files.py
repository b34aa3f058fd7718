"""Owns the reading of commit files from the storage."""

from __future__ import annotations

from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError, TableError
from deltastream.log.commit import Commit, parse_commit
from deltastream.log.listing import LOG_FOLDER
from deltastream.log.ordered import map_ordered
from deltastream.storage import Storage

__all__ = ["commit_name", "read_commit", "read_commits"]

# Enough to hide the round trips of an object store; a local log is bound by its threads.
_NUM_TASKS = 16


def commit_name(storage: Storage, version: int) -> str:
    """Return how messages name the commit file of `version`."""
    return f"{storage.uri}/{_path(version)}"


async def read_commit(storage: Storage, version: int) -> bytes:
    """Return the bytes of a commit that the listing has.

    Raises:
        LogCorruptError: It is gone.
        TableError: It cannot be read.
    """
    try:
        return await storage.read(_path(version))
    except FileNotFoundError as error:
        raise LogCorruptError(
            f"{commit_name(storage, version)} was listed and is gone: the log is being cleaned; "
            "open the table again"
        ) from error
    except OSError as error:
        raise TableError(f"{commit_name(storage, version)} cannot be read: {error}") from error


async def read_commits(storage: Storage, versions: range, *, pool: DecodePool) -> list[Commit]:
    """Read and parse the commits of `versions`, several at a time; the result is in their order.

    Raises:
        LogCorruptError: One is torn, damaged or gone.
        TableError: One cannot be read.
    """

    async def read_one(version: int) -> Commit:
        data = await read_commit(storage, version)
        source = commit_name(storage, version)
        return await pool.run(parse_commit, data, version=version, source=source)

    return await map_ordered(read_one, versions, num_tasks=min(_NUM_TASKS, len(versions)))


def _path(version: int) -> str:
    return f"{LOG_FOLDER}/{version:020d}.json"
