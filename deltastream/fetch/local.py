"""Owns the data files of a snapshot on a local disk: maps them, checked against what the log says of them."""

from __future__ import annotations

import os

import pyarrow as pa

from deltastream.errors import FileCorruptError, FileMissingError, ReadError
from deltastream.storage import Storage
from deltastream.types import FileContext, Snapshot

__all__ = ["LocalFiles"]


class LocalFiles:
    """Opens the snapshot's files by their index in it. Every method blocks: call it in the decode pool.

    Reading a column chunk just before it is decoded costs less than the page faults of a map, as long as the chunk
    stays in the cache until then. A map, made for each row group and dropped after it, costs no copy; its pages belong
    to the page cache, so they are no part of the process's own memory.
    """

    def __init__(self, snapshot: Snapshot, storage: Storage) -> None:
        self._table_uri = snapshot.table_uri
        self._version = snapshot.version
        self._paths = snapshot.files["path"].combine_chunks()
        self._nbytes = snapshot.files["nbytes"].to_numpy()
        self._storage = storage

    def context(self, file: int, *, stage: str, row_group: int | None = None) -> FileContext:
        """Return who and what a message is about."""
        path = self._paths[file].as_py()
        return FileContext(self._table_uri, self._version, path, row_group, stage)

    def open(self, file: int, *, mapped: bool = True) -> pa.NativeFile:
        """Open a file: as a map, or to be read in pieces.

        Raises:
            FileMissingError: It is gone.
            FileCorruptError: Its size is not the log's.
        """
        path = self._storage.local_path(self._paths[file].as_py())
        if path is None:
            raise ReadError(f"{self.context(file, stage='open')}: not a local file")
        expected = int(self._nbytes[file])
        try:
            source = pa.memory_map(path) if mapped else pa.OSFile(path)
        except FileNotFoundError as error:
            raise FileMissingError(
                f"{self.context(file, stage='open')}: the file is gone; after a VACUUM only versions that still have "
                "their files can be read: open a newer version, or restore the file"
            ) from error
        except OSError as error:
            if expected and _size_or_none(path) == 0:
                raise FileCorruptError(
                    f"{self.context(file, stage='open')}: the file is empty, the log says {expected} bytes"
                ) from error
            raise ReadError(f"{self.context(file, stage='open')}: {error}") from error
        if source.size() != expected:
            found = source.size()
            source.close()
            raise FileCorruptError(
                f"{self.context(file, stage='open')}: the file has {found} bytes, the log says {expected}; "
                "it was truncated or replaced: restore it from a copy"
            )
        return source


def _size_or_none(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
