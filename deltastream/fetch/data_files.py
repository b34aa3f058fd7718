"""Owns what the pipeline asks of the data files of a snapshot, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from deltastream.errors import DeltaStreamError
from deltastream.fetch.fetched import Fetched
from deltastream.fetch.statistics import FetchStatistics
from deltastream.types import ByteRange, FileContext

__all__ = ["DataFiles"]


class DataFiles(Protocol):
    """The snapshot's files, by their index in it.

    What is asynchronous belongs to the loop, waits for the network, and is at once done for local files; the rest runs
    in any thread.
    """

    @property
    def is_remote(self) -> bool:
        """Whether bytes have to be fetched before a file is opened."""
        ...

    def context(self, file: int, *, stage: str, row_group: int | None = None) -> FileContext:
        """Return who and what a message is about."""
        ...

    async def fetch_tails(
        self, files: Sequence[int], *, stage: str, afresh: bool = False
    ) -> Mapping[int, Fetched | DeltaStreamError]:
        """Return the bytes that the footers of `files` lie in, or why a file has none; nothing for local files.

        A small file comes whole. `afresh`: from the store, whatever a cache has.
        """
        ...

    def plan_ranges(self, *row_groups: Sequence[ByteRange]) -> list[ByteRange]:
        """Return what to fetch, a request each, where these bytes of row groups are wanted; nothing of a local file."""
        ...

    async def fetch(
        self,
        file: int,
        ranges: Sequence[ByteRange],
        *,
        stage: str,
        row_group: int | None = None,
        afresh: bool = False,
    ) -> Fetched | None:
        """Return the `ranges` of a file that `plan_ranges` chose; None for a local file.

        `afresh`: from the store, whatever a cache has.

        Raises:
            FileMissingError: It is gone.
            FileCorruptError: Its size is not the log's.
            ReadError: It cannot be read.
        """
        ...

    def statistics(self) -> FetchStatistics:
        """Return what was fetched."""
        ...

    def open(self, file: int, fetched: Fetched | None = None) -> pa.NativeFile:
        """Open what was fetched of a file, or a map of a local one.

        Raises:
            FileMissingError: It is gone.
            FileCorruptError: Its size is not the log's.
        """
        ...
