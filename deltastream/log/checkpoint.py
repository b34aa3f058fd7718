"""Owns the reading of a checkpoint: classic, multi-part, or V2 in JSON or Parquet with its sidecars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

import anyio
import pyarrow as pa

from deltastream.engine.ordered import map_ordered
from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError, StorageError
from deltastream.log.actions import ADDS
from deltastream.log.checkpoint_file import (
    CheckpointFile,
    CheckpointHead,
    CheckpointUnreadableError,
    Wanted,
    iterate_adds,
    next_batch,
    parse_adds,
    read_head,
    with_wanted,
)
from deltastream.log.commit import CommitFile, parse_json_checkpoint
from deltastream.log.listing import LOG_FOLDER, Checkpoint
from deltastream.storage import Storage

__all__ = ["CheckpointReader", "CheckpointUnreadableError", "open_checkpoint"]

_SIDECARS = f"{LOG_FOLDER}/_sidecars"


async def open_checkpoint(
    storage: Storage, checkpoint: Checkpoint, *, pool: DecodePool
) -> CheckpointReader:
    """Read everything of `checkpoint` but the files of the table.

    Raises:
        CheckpointUnreadableError: A file of it is gone, damaged or no checkpoint.
        StorageError: The store did not give one.
    """
    first = checkpoint.paths[0]
    name = f"{storage.uri}/{first}"
    if first.endswith(".json"):
        try:
            data = await storage.read(first)
            file = CommitFile(checkpoint.version, bytes(data), name)
            head, adds = await pool.run(parse_json_checkpoint, file)
        except StorageError:
            raise
        except (OSError, LogCorruptError) as error:
            raise CheckpointUnreadableError.of(name, error) from error
        reader = CheckpointReader(storage, pool, head, files=(), adds=adds)
    else:
        files = [await _open(storage, path) for path in checkpoint.paths]
        heads = [await pool.run(read_head, file) for file in files]
        reader = CheckpointReader(storage, pool, _merge(heads), files=files, adds=None)
    found = reader.head.v2_versions
    if any(version != checkpoint.version for version in found) or (checkpoint.is_v2 and not found):
        # PROTOCOL.md, "UUID-named checkpoint": it must have a checkpointMetadata action.
        raise CheckpointUnreadableError.of(
            name, f"checkpointMetadata is to say version {checkpoint.version}, found {found}"
        )
    return reader


class CheckpointReader:
    """A checkpoint whose `head` is read and whose adds are not."""

    def __init__(
        self,
        storage: Storage,
        pool: DecodePool,
        head: CheckpointHead,
        *,
        files: Sequence[CheckpointFile],
        adds: pa.Table | None,
    ) -> None:
        self.head = head
        self._storage = storage
        self._pool = pool
        self._files = files
        self._adds = adds

    async def read_adds(self, wanted: Wanted) -> pa.Table:
        """Return the adds, also those of the sidecars, as `parse_adds` does.

        Raises:
            CheckpointUnreadableError: A file is damaged, or a sidecar is gone.
        """
        sidecars = [await _open(self._storage, _sidecar_path(path)) for path in self.head.sidecars]
        batches = iterate_adds([*self._files, *sidecars], wanted)
        turn = anyio.Lock()

        async def read_some(_: int) -> list[pa.Table]:
            tables: list[pa.Table] = []
            while True:
                # A file is read in order; its batches are parsed side by side.
                async with turn:
                    batch = await self._pool.run(next_batch, batches)
                if batch is None:
                    return tables
                tables.append(await self._pool.run(parse_adds, batch, wanted))

        num_tasks = self._pool.num_threads
        shares = await map_ordered(read_some, range(num_tasks), num_tasks=num_tasks)
        embedded = ADDS.empty_table() if self._adds is None else self._adds
        tables = [await self._pool.run(with_wanted, embedded, wanted)]
        return pa.concat_tables([*tables, *(table for share in shares for table in share)])


async def _open(storage: Storage, path: str) -> CheckpointFile:
    """Return the file to read; one that is not local is fetched whole."""
    name, source = f"{storage.uri}/{path}", storage.local_path(path)
    try:
        return CheckpointFile(name, source or pa.py_buffer(await storage.read(path)))
    except StorageError:
        # What ails the store ails the older ones, too.
        raise
    except OSError as error:
        raise CheckpointUnreadableError.of(name, error) from error


def _sidecar_path(logged: str) -> str:
    """Return where a sidecar is, relative to the table.

    Delta PROTOCOL.md, "Sidecar File Information": it always lies in the table's own folder of sidecars, and its path is
    URI-encoded. So of an absolute path too the name alone counts, also after the table was moved.
    """
    return f"{_SIDECARS}/{unquote(logged.rpartition('/')[2])}"


def _merge(heads: Iterable[CheckpointHead]) -> CheckpointHead:
    """Return the head of a checkpoint of several parts, of which one has the protocol and one the metadata."""
    merged = CheckpointHead(None, None)
    for head in heads:
        merged = CheckpointHead(
            head.protocol or merged.protocol,
            head.metadata or merged.metadata,
            merged.v2_versions + head.v2_versions,
            merged.sidecars + head.sidecars,
        )
    return merged
