"""Owns the data files of a snapshot on a local disk: maps them, checked against what the log says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pyarrow as pa

from deltastream.errors import DeltaStreamError, ReadError
from deltastream.fetch.fetched import Fetched
from deltastream.fetch.refusals import file_missing, wrong_size
from deltastream.fetch.statistics import FetchStatistics
from deltastream.storage import Storage
from deltastream.types import ByteRange, FileContext, Snapshot

__all__ = ["LocalFiles"]


class LocalFiles:
    """Opens the snapshot's files by their index in it. `open` blocks: call it in the decode pool.

    A map, made for each row group and dropped after it, costs no copy; its pages belong to the page cache, so they are
    no part of the process's own memory.
    """

    is_remote = False

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

    async def fetch_tails(
        self, files: Sequence[int], *, stage: str, afresh: bool = False
    ) -> Mapping[int, Fetched | DeltaStreamError]:
        """Return nothing: a footer is read where it lies."""
        return {}

    def plan_ranges(self, *row_groups: Sequence[ByteRange]) -> list[ByteRange]:
        """Return nothing: column chunks are read where they lie."""
        return []

    def statistics(self) -> FetchStatistics:
        """Return zeros."""
        return FetchStatistics()

    async def fetch(
        self,
        file: int,
        ranges: Sequence[ByteRange],
        *,
        stage: str,
        row_group: int | None = None,
        afresh: bool = False,
    ) -> Fetched | None:
        """Return None: the file is opened where it lies."""
        return None

    def open(self, file: int, fetched: Fetched | None = None) -> pa.NativeFile:
        """Map a file.

        Raises:
            FileMissingError: It is gone.
            FileCorruptError: Its size is not the log's.
        """
        path = self._storage.local_path(self._paths[file].as_py())
        if path is None:
            raise ReadError(f"{self.context(file, stage='open')}: not a local file")
        expected = int(self._nbytes[file])
        try:
            source = pa.memory_map(path)
        except FileNotFoundError as error:
            raise file_missing(self.context(file, stage="open")) from error
        except OSError as error:
            if expected and _size_or_none(path) == 0:
                raise wrong_size(self.context(file, stage="open"), 0, expected) from error
            raise ReadError(f"{self.context(file, stage='open')}: {error}") from error
        if source.size() != expected:
            found = source.size()
            source.close()
            raise wrong_size(self.context(file, stage="open"), found, expected)
        return source


def _size_or_none(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
