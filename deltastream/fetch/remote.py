"""Owns the data files of a snapshot in an object store: footers and column chunks, fetched in byte ranges."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise

import anyio
import pyarrow as pa

from deltastream.errors import (
    DeltaStreamError,
    FileCorruptError,
    FileUnavailableError,
    ObjectChangedError,
    StorageError,
)
from deltastream.fetch.coalesce import few_ranges
from deltastream.fetch.fetched import Fetched
from deltastream.fetch.refusals import file_missing
from deltastream.fetch.statistics import FetchStatistics
from deltastream.options import (
    CACHE_ITEM_NBYTES,
    FOOTER_NBYTES,
    SMALL_FILES_NBYTES,
)
from deltastream.storage import Buffer, Storage
from deltastream.types import ByteRange, FileContext, Snapshot

__all__ = ["RemoteFiles"]

_MAGIC = (b"PAR1", b"PARE")
_END_NBYTES = 8
"""What ends a Parquet file: the footer's length and the magic number."""


class RemoteFiles:
    """Fetches ranges of the snapshot's files by their index in it. Only `open` and `context` may run off the loop."""

    is_remote = True

    def __init__(self, snapshot: Snapshot, storage: Storage) -> None:
        self._table_uri = snapshot.table_uri
        self._version = snapshot.version
        self._paths = snapshot.files["path"].combine_chunks()
        self._nbytes = snapshot.files["nbytes"].to_numpy()
        self._modified_ms = snapshot.files["modified_ms"].to_numpy()
        self._table_id = snapshot.table_id
        self._storage = storage
        self._is_cached = storage.cache_statistics() is not None
        self._small: dict[int, Fetched] = {}
        self._small_nbytes = 0
        self._num_requests = 0
        self._asked_nbytes = 0
        self._received_nbytes = 0
        self._wait_s = 0.0

    def context(self, file: int, *, stage: str, row_group: int | None = None) -> FileContext:
        """Return who and what a message is about."""
        path = self._paths[file].as_py()
        return FileContext(self._table_uri, self._version, path, row_group, stage)

    async def fetch_tails(
        self, files: Sequence[int], *, stage: str, afresh: bool = False
    ) -> Mapping[int, Fetched | DeltaStreamError]:
        """Return the last 64 KiB of each file, or more where its footer is longer, or why there are none.

        A file that is no longer is kept until it is fetched, as far as there is room.
        """
        found: dict[int, Fetched | DeltaStreamError] = {}

        async def fetch(file: int) -> None:
            try:
                context = self.context(file, stage=stage)
                found[file] = await self._fetch_tail(file, context, afresh=afresh)
            except DeltaStreamError as error:
                found[file] = error

        async with anyio.create_task_group() as tasks:
            for file in files:
                tasks.start_soon(fetch, file)
        return found

    def plan_ranges(self, *row_groups: Sequence[ByteRange]) -> list[ByteRange]:
        """Return few ranges, and none so long that it would be waited for while others could share its way.

        A cache knows bytes by the range that was asked for: with one, a row group is asked for in the same ranges
        whichever others are wanted with it. They are longer, since it divides what it asks of the store itself.
        """
        if self._is_cached:
            items = (few_ranges(wanted, max_nbytes=CACHE_ITEM_NBYTES) for wanted in row_groups)
            apart = sorted(chain.from_iterable(items))
            # Row groups may, but nobody writes them so, lie in each other.
            if all(part.stop <= following.start for part, following in pairwise(apart)):
                return apart
        return few_ranges(chain.from_iterable(row_groups))

    async def fetch(
        self,
        file: int,
        ranges: Sequence[ByteRange],
        *,
        stage: str,
        row_group: int | None = None,
        afresh: bool = False,
    ) -> Fetched:
        """Ask for all `ranges` at once.

        Raises:
            FileMissingError: The file is gone.
            FileCorruptError: Its size is not the log's.
            FileUnavailableError: The store did not give it.
        """
        small = self._small.pop(file, None)
        if small is not None:
            self._small_nbytes -= small.nbytes
            if not afresh:
                return small
        context = self.context(file, stage=stage, row_group=row_group)
        if int(self._nbytes[file]) <= FOOTER_NBYTES and ranges:
            # As it came with its footer, so that a cache knows it.
            ranges = [ByteRange(0, int(self._nbytes[file]))]
        if len(ranges) == 1:
            data = await self._read(file, ranges[0], context, afresh=afresh)
            return Fetched(int(self._nbytes[file]), [(ranges[0], data)])
        parts: list[tuple[ByteRange, Buffer]] = []
        failures: list[DeltaStreamError] = []

        async def read(part: ByteRange) -> None:
            try:
                parts.append((part, await self._read(file, part, context, afresh=afresh)))
            except DeltaStreamError as error:
                # A task group would wrap it; the other ranges are of no use any more.
                failures.append(error)
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for part in ranges:
                tasks.start_soon(read, part)
        if failures:
            raise failures[0]
        return Fetched(int(self._nbytes[file]), parts)

    def open(self, file: int, fetched: Fetched | None = None) -> pa.NativeFile:
        """Open what was fetched of a file."""
        assert fetched is not None
        return fetched.open()

    def statistics(self) -> FetchStatistics:
        return FetchStatistics(
            self._num_requests, self._asked_nbytes, self._received_nbytes, self._wait_s
        )

    async def _fetch_tail(self, file: int, context: FileContext, *, afresh: bool) -> Fetched:
        nbytes = int(self._nbytes[file])
        if nbytes == 0:
            raise FileCorruptError(f"{context}: not a readable Parquet footer: the file is empty")
        tail = ByteRange(max(0, nbytes - FOOTER_NBYTES), nbytes)
        data = await self._read(file, tail, context, afresh=afresh)
        parts = [(tail, data)]
        end = bytes(data[-_END_NBYTES:])
        if end[4:] in _MAGIC:
            start = nbytes - _END_NBYTES - int.from_bytes(end[:4], "little")
            # A length that cannot be is for the parser to refuse.
            if 0 < start < tail.start:
                rest = ByteRange(start, tail.start)
                parts.append((rest, await self._read(file, rest, context, afresh=afresh)))
        fetched = Fetched(nbytes, parts)
        # Those that came first are needed first.
        if fetched.is_whole and self._small_nbytes + nbytes <= SMALL_FILES_NBYTES:
            self._small_nbytes += nbytes
            self._small[file] = fetched
        return fetched

    def _identity(self, file: int) -> str:
        # A table that was dropped and made anew may have files of the same names.
        return f"{self._table_id} {self._modified_ms[file]}"

    async def _read(
        self, file: int, part: ByteRange, context: FileContext, *, afresh: bool = False
    ) -> Buffer:
        path = self._paths[file].as_py()
        expected = int(self._nbytes[file])
        nbytes = part.stop - part.start
        self._num_requests += 1
        self._asked_nbytes += nbytes
        start_s = time.perf_counter()
        try:
            data = await self._storage.read(
                path,
                part,
                object_nbytes=expected,
                identity=self._identity(file),
                afresh=afresh,
            )
        except ObjectChangedError as error:
            raise FileCorruptError(
                f"{context}: {error}; it was truncated or replaced: restore it from a copy"
            ) from error
        except FileNotFoundError as error:
            raise file_missing(context) from error
        except StorageError as error:
            raise FileUnavailableError(f"{context}: {error}") from error
        finally:
            self._wait_s += time.perf_counter() - start_s
        self._received_nbytes += len(data)
        return data
