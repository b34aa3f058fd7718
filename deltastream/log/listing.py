"""Owns what is in ``_delta_log``: the commits and checkpoints that its file names promise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deltastream.engine.pool import DecodePool
from deltastream.errors import StorageError, TableError, TableNotFoundError
from deltastream.storage import Storage
from deltastream.types import ObjectInfo

__all__ = ["LOG_FOLDER", "Checkpoint", "LogListing", "list_log", "parse_listing"]

LOG_FOLDER = "_delta_log"

_COMMIT = re.compile(r"(\d{20})\.json")
_CLASSIC = re.compile(r"(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet")
_V2 = re.compile(
    r"(\d{20})\.checkpoint\.[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\.(?:json|parquet)"
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint: every file of it is there."""

    version: int
    paths: tuple[str, ...]
    """Relative to the table; more than one for a multi-part checkpoint."""
    is_v2: bool = False
    """Whether the name says V2; a classic name may still hold one."""


@dataclass(frozen=True, slots=True)
class LogListing:
    """The commits and complete checkpoints of a log."""

    commits: Mapping[int, ObjectInfo]
    """By version; paths are relative to the table."""
    checkpoints: tuple[Checkpoint, ...]
    """Newest first; of one version, the cheapest to read first."""

    @property
    def latest(self) -> int:
        return max([*self.commits, *(checkpoint.version for checkpoint in self.checkpoints)])

    @property
    def earliest(self) -> int | None:
        """The first version that the names allow to rebuild; None where there is none."""
        starts = [checkpoint.version for checkpoint in self.checkpoints]
        if 0 in self.commits:
            starts.append(0)
        return min(starts, default=None)


async def list_log(storage: Storage, *, pool: DecodePool) -> LogListing:
    """List the log of the table in `storage`.

    Raises:
        TableNotFoundError: There is no log, or no commit and no checkpoint in it.
        StorageError: The store did not list the log.
        TableError: The log cannot be listed.
    """
    where = f"{storage.uri}/{LOG_FOLDER}"
    try:
        infos = await storage.list(LOG_FOLDER)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TableNotFoundError(
            f"{storage.uri} is no Delta table: looked for {where} and there is no such folder"
        ) from error
    except StorageError:
        raise
    except OSError as error:
        raise TableError(f"{where} cannot be listed: {error}") from error
    # A log may hold 100,000 names.
    listing = await pool.run(parse_listing, infos)
    if not listing.commits and not listing.checkpoints:
        raise TableNotFoundError(
            f"{storage.uri} is no Delta table: looked in {where} for commits (<20 digits>.json) "
            f"and checkpoints, and none of its {len(infos)} files is one"
        )
    return listing


def parse_listing(infos: Iterable[ObjectInfo]) -> LogListing:
    """Sort the files of a log by what their names say.

    Left out are unknown names, incomplete checkpoints, and log compactions: they stand in for commits that have to be
    there all the same (Delta PROTOCOL.md, "Metadata Cleanup").
    """
    commits: dict[int, ObjectInfo] = {}
    checkpoints: list[Checkpoint] = []
    parts: dict[tuple[int, int], dict[int, str]] = {}
    for info in infos:
        path = f"{LOG_FOLDER}/{info.path}"
        if match := _COMMIT.fullmatch(info.path):
            commits[int(match[1])] = ObjectInfo(path, info.nbytes, info.modified_ms)
        elif info.nbytes == 0:
            # A checkpoint that was never written; an empty commit is an error, where it is needed.
            continue
        elif match := _CLASSIC.fullmatch(info.path):
            if match[2] is None:
                checkpoints.append(Checkpoint(int(match[1]), (path,)))
            else:
                parts.setdefault((int(match[1]), int(match[3])), {})[int(match[2])] = path
        elif match := _V2.fullmatch(info.path):
            checkpoints.append(Checkpoint(int(match[1]), (path,), is_v2=True))
    for (version, num_parts), paths in parts.items():
        # Writers of different part counts may race: each count is a checkpoint of its own.
        if sorted(paths) == list(range(1, num_parts + 1)):
            ordered = tuple(paths[i] for i in range(1, num_parts + 1))
            checkpoints.append(Checkpoint(version, ordered))
    checkpoints.sort(key=lambda found: (-found.version, found.is_v2, len(found.paths), found.paths))
    return LogListing(commits, tuple(checkpoints))
