"""Owns the reading of deletion vectors: the bytes of several files' vectors, in few ranges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import anyio
import numpy as np
import numpy.typing as npt

from deltastream.errors import (
    DeltaStreamError,
    FileCorruptError,
    FileMissingError,
    FileUnavailableError,
    LogCorruptError,
    ObjectChangedError,
    ReadError,
    StorageError,
)
from deltastream.fetch.coalesce import coalesce
from deltastream.fetch.vector_location import check_size, inline_bytes, stored_path, stored_range
from deltastream.storage import Storage
from deltastream.types import ByteRange, DeletionVector, FileContext, Snapshot

__all__ = ["DeletionVectors"]

_MAX_GAP_NBYTES = 1 << 20
"""Bytes between two vectors of a file that are read rather than asked around: an object store sends them in the time
that another request takes. Spark packs vectors into files of about 2 MiB."""

_MAX_RANGE_NBYTES = 4 << 20
"""A longer range is a single vector that says to be so long: the size of its file is asked for first."""

_FILE_VERSION = ByteRange(0, 1)


class DeletionVectors:
    """The deletion vectors of a snapshot's files, by the files' index in it."""

    def __init__(
        self, snapshot: Snapshot, storage: Storage, num_records: npt.NDArray[np.int64]
    ) -> None:
        """`num_records`: the rows of each file, deleted ones among them."""
        self._table_id = snapshot.table_id
        self._table_uri = snapshot.table_uri
        self._version = snapshot.version
        self._paths = snapshot.files["path"]
        self._descriptors = snapshot.files["deletion_vector"]
        self._num_records = num_records
        self._storage = storage

    def find(self, file: int) -> DeletionVector | None:
        """Return where the deleted rows of a file are listed; None if it has none."""
        descriptor = self._descriptors[file].as_py()
        return None if descriptor is None else DeletionVector(**descriptor)

    def context(self, file: int, vector: DeletionVector) -> FileContext:
        """Return who and what a message is about."""
        stage = f"deletion vector {str(vector)!r}"
        return FileContext(self._table_uri, self._version, self._path(file), None, stage)

    async def read(self, files: Sequence[int], *, afresh: bool = False) -> dict[int, bytes]:
        """Return the vectors of those `files` that have one; nothing but the number of bytes is checked.

        An inline vector comes as its bitmap, one that is stored as a vector file that has no other: version, size,
        bitmap, checksum.

        Raises:
            LogCorruptError: A descriptor is not as the protocol says.
            FileMissingError: The file of a vector is gone.
            FileCorruptError: It ends too early.
            ReadError: It cannot be read.
        """
        found: dict[int, bytes] = {}
        stored: defaultdict[str, dict[int, ByteRange]] = defaultdict(dict)
        for file in files:
            if (vector := self.find(file)) is not None:
                try:
                    check_size(vector, num_records=int(self._num_records[file]))
                    if vector.storage_type == "i":
                        found[file] = inline_bytes(vector)
                    else:
                        stored[stored_path(vector)][file] = stored_range(vector)
                except ValueError as error:
                    raise LogCorruptError(f"{self.context(file, vector)}: {error}") from error
        # An error waits until all are there: a task group would wrap it.
        failures: list[DeltaStreamError] = []

        async def read(path: str, ranges: dict[int, ByteRange]) -> None:
            try:
                found.update(await self._read_file(path, ranges, afresh=afresh))
            except DeltaStreamError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for path, ranges in stored.items():
                tasks.start_soon(read, path, ranges)
        if failures:
            raise failures[0]
        return found

    async def _read_file(
        self, path: str, ranges: dict[int, ByteRange], *, afresh: bool
    ) -> dict[int, bytes]:
        first = next(iter(ranges))
        vector = self.find(first)
        assert vector is not None
        where = f"{self.context(first, vector)}: its file {path!r}"
        parts: list[tuple[ByteRange, bytes]] = []
        try:
            for part in coalesce(
                [_FILE_VERSION, *ranges.values()],
                max_gap_nbytes=_MAX_GAP_NBYTES,
                max_nbytes=_MAX_RANGE_NBYTES,
            ):
                if part.stop - part.start > _MAX_RANGE_NBYTES:
                    nbytes = (await self._storage.info(path)).nbytes
                    if nbytes < part.stop:
                        raise FileCorruptError(_too_short(where, nbytes, part.stop))
                data = await self._storage.read(path, part, identity=self._table_id, afresh=afresh)
                parts.append((part, bytes(data)))
        except ObjectChangedError as error:
            nbytes = (await self._storage.info(path)).nbytes
            raise FileCorruptError(_too_short(where, nbytes, part.stop)) from error
        except FileNotFoundError as error:
            raise FileMissingError(
                f"{where} is gone; after a VACUUM only versions that still have their files can be read: open a newer "
                "version, or restore the file"
            ) from error
        except StorageError as error:
            raise FileUnavailableError(f"{where}: {error}") from error
        except OSError as error:
            raise ReadError(f"{where} cannot be read: {error}") from error
        version = _cut(parts, _FILE_VERSION)
        return {file: version + _cut(parts, wanted) for file, wanted in ranges.items()}

    def _path(self, file: int) -> str:
        path: str = self._paths[file].as_py()
        return path


def _cut(parts: list[tuple[ByteRange, bytes]], wanted: ByteRange) -> bytes:
    for part, data in parts:
        if part.start <= wanted.start and wanted.stop <= part.stop:
            return data[wanted.start - part.start : wanted.stop - part.start]
    raise AssertionError(f"{wanted} was not asked for")


def _too_short(where: str, nbytes: int, stop: int) -> str:
    return (
        f"{where} has {nbytes} bytes, and the vectors that the log places there end at byte {stop}; "
        "it was truncated or replaced: restore it from a copy"
    )
