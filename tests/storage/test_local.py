from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltastream.engine.pool import DecodePool
from deltastream.storage import LocalStorage
from deltastream.types import ByteRange, ObjectInfo

DATA = bytes(range(200))


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    pool = DecodePool(1)
    try:
        yield LocalStorage(str(tmp_path), pool)
    finally:
        pool.close()


async def test_an_object_is_read_whole_or_in_part(storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(DATA)
    assert await storage.read("a.bin") == DATA
    for start, stop in [(0, 1), (3, 17), (199, 200), (0, 200)]:
        assert await storage.read("a.bin", ByteRange(start, stop)) == DATA[start:stop]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), max_size=8))
async def test_any_name_is_taken_as_it_is_and_escaped_in_a_uri(
    storage: LocalStorage, tmp_path: Path, name: str
) -> None:
    path = tmp_path / f"x{name}"
    path.write_bytes(name.encode())
    assert await storage.read(path.name) == name.encode()
    assert await storage.read(str(path)) == name.encode()
    assert await storage.read(f"file://{quote(str(path))}") == name.encode()
    path.unlink()


async def test_a_folder_is_listed_in_order_and_without_its_folders(
    storage: LocalStorage, tmp_path: Path
) -> None:
    log = tmp_path / "_delta_log"
    (log / "sub").mkdir(parents=True)
    (log / "sub" / "below").write_bytes(b"")
    for number, name in enumerate(["b", "a", "0.json", "_last_checkpoint"]):
        (log / name).write_bytes(bytes(number))
        os.utime(log / name, ns=(0, (1_700_000_000_123 + number) * 1_000_000 + 999_999))
    assert await storage.list("_delta_log") == [
        ObjectInfo("0.json", 2, 1_700_000_000_125),
        ObjectInfo("_last_checkpoint", 3, 1_700_000_000_126),
        ObjectInfo("a", 1, 1_700_000_000_124),
        ObjectInfo("b", 0, 1_700_000_000_123),
    ]


async def test_size_and_time_of_one_object_are_those_of_the_listing(
    storage: LocalStorage, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(DATA)
    info = await storage.info("a.bin")
    assert info.nbytes == len(DATA)
    assert [info] == await storage.list("")


async def test_what_is_not_there_is_a_file_not_found_error(storage: LocalStorage) -> None:
    for missing in (storage.read("a"), storage.list("folder"), storage.info("a")):
        with pytest.raises(FileNotFoundError):
            await missing


async def test_a_relative_root_is_made_absolute_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "a").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    pool = DecodePool(1)
    try:
        storage = LocalStorage("table", pool)
        monkeypatch.chdir("/")
        assert storage.uri == str(tmp_path / "table")
        assert await storage.read("a") == b"1"
    finally:
        pool.close()


async def test_an_absolute_path_or_uri_leads_outside_the_table(storage: LocalStorage) -> None:
    assert storage.local_path("/other/part.parquet") == "/other/part.parquet"
    assert storage.local_path("file:///other/a%20b%25.parquet") == "/other/a b%.parquet"
    assert storage.local_path("sub/a%20b") == os.path.join(storage.uri, "sub/a%20b")
