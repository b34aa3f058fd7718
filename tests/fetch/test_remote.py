"""Data files in an object store: which bytes are asked for, and what is said where a file is not as promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from deltastream.errors import DeltaStreamError, FileCorruptError, FileMissingError
from deltastream.fetch import Fetched
from deltastream.fetch.remote import RemoteFiles
from deltastream.options import CACHE_ITEM_NBYTES, FOOTER_NBYTES, MAX_GAP_NBYTES, REQUEST_NBYTES
from deltastream.storage.cache import CacheStatistics
from deltastream.types import ByteRange
from tests.support.logs import read as read_log
from tests.support.memory import MemoryStorage
from tests.support.tables import data_files, write_numbered


class CachingStorage(MemoryStorage):
    """Says that it keeps what was asked for."""

    def cache_statistics(self) -> CacheStatistics:
        return CacheStatistics(0, 0, 0, 0, 0, keeps=True)


class Table:
    """A table of one file, whose bytes are the test's."""

    def __init__(
        self,
        root: Path,
        data: bytes | None,
        *,
        promised: int | None = None,
        is_cached: bool = False,
    ) -> None:
        write_numbered(root, [3])
        snapshot = read_log(root)
        (path,) = data_files(root)
        kind = CachingStorage if is_cached else MemoryStorage
        self.storage = kind("test://t", {} if data is None else {path.name: data})
        nbytes = len(data or b"") if promised is None else promised
        at = snapshot.files.schema.get_field_index("nbytes")
        field = snapshot.files.schema.field(at)
        files = snapshot.files.set_column(at, field, [[nbytes]])
        self.files = RemoteFiles(replace(snapshot, files=files), self.storage)

    def tail(self) -> Fetched | DeltaStreamError:
        async def fetch() -> Mapping[int, Fetched | DeltaStreamError]:
            return await self.files.fetch_tails([0], stage="footer")

        return anyio.run(fetch)[0]

    def fetch(self, *, afresh: bool = False) -> Fetched:
        async def fetch() -> Fetched:
            return await self.files.fetch(0, [ByteRange(10, 20)], stage="fetch", afresh=afresh)

        return anyio.run(fetch)

    @property
    def asked(self) -> list[ByteRange | None]:
        return [part for _, part in self.storage.requests]


def parquet(nbytes: int, footer_nbytes: int) -> bytes:
    return bytes(nbytes - 8) + footer_nbytes.to_bytes(4, "little") + b"PAR1"


def test_a_small_file_comes_whole_in_one_request(tmp_path: Path) -> None:
    table = Table(tmp_path / "t", parquet(5000, 100))
    tail = table.tail()
    assert isinstance(tail, Fetched)
    assert tail.is_whole
    assert table.asked == [ByteRange(0, 5000)]


def test_a_small_file_that_came_with_its_footer_is_not_asked_for_again(tmp_path: Path) -> None:
    table = Table(tmp_path / "t", parquet(5000, 100))
    table.tail()
    assert table.fetch().is_whole
    assert table.asked == [ByteRange(0, 5000)]
    # It is held for one fetch, and comes whole again.
    assert table.fetch().is_whole
    assert table.asked == [ByteRange(0, 5000)] * 2
    table.tail()
    table.fetch(afresh=True)
    assert len(table.asked) == 4


def test_a_footer_is_asked_for_once_unless_it_is_long(tmp_path: Path) -> None:
    nbytes = 10 * FOOTER_NBYTES
    table = Table(tmp_path / "short", parquet(nbytes, FOOTER_NBYTES - 8))
    table.tail()
    assert table.asked == [ByteRange(nbytes - FOOTER_NBYTES, nbytes)]
    table = Table(tmp_path / "long", parquet(nbytes, 2 * FOOTER_NBYTES))
    tail = table.tail()
    assert isinstance(tail, Fetched)
    start = nbytes - 8 - 2 * FOOTER_NBYTES
    assert table.asked[1:] == [ByteRange(start, nbytes - FOOTER_NBYTES)]
    assert len(tail.read(start, nbytes)) == nbytes - start


def test_a_footer_that_cannot_be_so_long_is_left_to_the_parser(tmp_path: Path) -> None:
    table = Table(tmp_path / "t", parquet(10 * FOOTER_NBYTES, 1 << 31))
    assert isinstance(table.tail(), Fetched)
    assert len(table.asked) == 1


def test_a_file_that_is_shorter_than_the_log_says_is_corrupt(tmp_path: Path) -> None:
    tail = Table(tmp_path / "t", parquet(5000, 100), promised=6000).tail()
    assert isinstance(tail, FileCorruptError)
    assert "5000 bytes, not 6000" in str(tail)


def test_a_file_that_is_gone_is_missing(tmp_path: Path) -> None:
    tail = Table(tmp_path / "t", None, promised=6000).tail()
    assert isinstance(tail, FileMissingError)


def test_near_ranges_are_one_request_and_long_ones_several(tmp_path: Path) -> None:
    files = Table(tmp_path / "t", b"").files
    near = [ByteRange(0, 10), ByteRange(10 + MAX_GAP_NBYTES, 20 + MAX_GAP_NBYTES)]
    assert files.plan_ranges(near) == [ByteRange(0, 20 + MAX_GAP_NBYTES)]
    far = [ByteRange(0, 10), ByteRange(11 + MAX_GAP_NBYTES, 20 + MAX_GAP_NBYTES)]
    assert files.plan_ranges(far) == far
    parts = files.plan_ranges([ByteRange(5, 5 + 2 * REQUEST_NBYTES + 1)])
    assert len(parts) == 3
    assert (parts[0].start, parts[-1].stop) == (5, 5 + 2 * REQUEST_NBYTES + 1)


def test_a_cache_is_asked_for_longer_ranges(tmp_path: Path) -> None:
    cached = Table(tmp_path / "t", b"", is_cached=True).files
    whole = ByteRange(5, 5 + CACHE_ITEM_NBYTES)
    assert cached.plan_ranges([whole]) == [whole]
    halves = cached.plan_ranges([ByteRange(whole.start, whole.stop + 1)])
    assert [len(halves), halves[0].start, halves[-1].stop] == [2, whole.start, whole.stop + 1]


def test_row_groups_share_a_request_unless_a_cache_keeps_it(tmp_path: Path) -> None:
    first, second, inside = (
        [ByteRange(0, 9)],
        [ByteRange(9, 20), ByteRange(22, 30)],
        ByteRange(3, 5),
    )
    files = Table(tmp_path / "t", b"").files
    assert files.plan_ranges(first, second) == [ByteRange(0, 30)]
    cached = Table(tmp_path / "u", b"", is_cached=True).files
    assert cached.plan_ranges(second, first) == [ByteRange(0, 9), ByteRange(9, 30)]
    assert cached.plan_ranges(first, [inside]) == [ByteRange(0, 9)]


def test_of_several_ranges_the_first_failure_is_raised(tmp_path: Path) -> None:
    files = Table(tmp_path / "t", bytes(100), promised=1000).files

    async def fetch() -> Fetched:
        return await files.fetch(
            0, [ByteRange(0, 50), ByteRange(200, 300)], stage="fetch", row_group=4
        )

    with pytest.raises(FileCorruptError, match="row group 4"):
        anyio.run(fetch)
