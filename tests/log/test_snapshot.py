from __future__ import annotations

import builtins
import pickle
import threading
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError
from deltastream.log import checkpoint, commit_files, listing, snapshot
from deltastream.storage import Buffer, LocalStorage
from deltastream.types import DELETION_VECTOR, ByteRange, ObjectInfo, Snapshot
from tests.support.logs import LogFolder, add, metadata, protocol, read


def write(root: Path, start: int, **options: Any) -> None:
    rows = 20
    table = pa.table(
        {
            "id": pa.array(range(start, start + rows), pa.int64()),
            "day": pa.array([date(2024, 1, 1 + i % 3) for i in range(rows)]),
            "city": pa.array([["Köln %", "a b/c", None][i % 3] for i in range(rows)]),
        }
    )
    deltalake.write_deltalake(root, table, partition_by=["day", "city"], **options)


def assert_as_deltalake_says(found: Snapshot, root: Path) -> None:
    table = deltalake.DeltaTable(root, version=found.version)
    adds = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    expected = [
        {
            "path": unquote(one["path"]),
            "nbytes": one["size_bytes"],
            "modified_ms": one["modification_time"],
            "num_records": one["num_records"],
            "deletion_vector": None,
            "day": one["partition.day"],
            "city": one["partition.city"],
        }
        for one in adds
    ]
    expected.sort(key=lambda one: (one["modified_ms"], one["path"].encode()))
    rows = zip(found.files.to_pylist(), found.partitions.to_pylist(), strict=True)
    assert [file | values for file, values in rows] == expected
    assert found.table_id == str(table.metadata().id)
    assert list(found.partition_columns) == table.metadata().partition_columns
    assert found.schema.names == [field.name for field in table.schema().fields]


def test_every_version_is_what_deltalake_says_from_commits_and_from_checkpoints(
    tmp_path: Path,
) -> None:
    write(tmp_path, 0)
    write(tmp_path, 20, mode="append")
    deltalake.DeltaTable(tmp_path).delete("id >= 30")
    write(tmp_path, 60, mode="append")
    from_commits = [read(tmp_path, version=version) for version in range(4)]
    for found in from_commits:
        assert_as_deltalake_says(found, tmp_path)
    deltalake.DeltaTable(tmp_path).create_checkpoint()
    write(tmp_path, 0, mode="overwrite")
    assert [read(tmp_path, version=version) for version in range(4)] == from_commits
    for version in range(3):
        (tmp_path / "_delta_log" / f"{version:020d}.json").unlink()
    assert read(tmp_path, version=3) == from_commits[3]
    latest = read(tmp_path)
    assert latest.version == 4
    assert_as_deltalake_says(latest, tmp_path)


def test_a_snapshot_has_the_promised_columns_whatever_the_log_has(tmp_path: Path) -> None:
    LogFolder(tmp_path).first_commit()
    found = read(tmp_path)
    columns = {"path": pa.string(), "nbytes": pa.int64(), "modified_ms": pa.int64()}
    columns |= {"num_records": pa.int64(), "deletion_vector": DELETION_VECTOR}
    assert found.files.schema == pa.schema(columns)
    assert found.files.num_rows == 0
    assert found.partition_columns == ()
    assert found.schema == pa.schema([("x", pa.int64())])
    assert found.table_uri == str(tmp_path)


def test_a_snapshot_pickles(tmp_path: Path) -> None:
    write(tmp_path, 0)
    found = read(tmp_path)
    assert pickle.loads(pickle.dumps(found)) == found


def test_nothing_is_parsed_on_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, str] = {}

    def spy(module: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(module, name)

        def noted(*args: Any, **options: Any) -> Any:
            threads[name] = threading.current_thread().name
            return original(*args, **options)

        monkeypatch.setattr(module, name, noted)

    spy(listing, "parse_listing")
    spy(commit_files, "parse_commits")
    spy(checkpoint, "read_head")
    spy(checkpoint, "next_batch")
    spy(checkpoint, "parse_adds")
    spy(snapshot, "read_table_head")
    spy(snapshot, "assemble")
    log = LogFolder(tmp_path)
    log.checkpoint(0, protocol(), metadata(), add("a"))
    log.commit(1, add("b"))
    read(tmp_path)
    assert len(threads) == 7
    assert {name.rpartition("-")[0] for name in threads.values()} == {"deltastream-decode"}


class FarStorage:
    """A storage whose files have no local path."""

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage

    @property
    def uri(self) -> str:
        return "far://table"

    async def read(
        self,
        path: str,
        byte_range: ByteRange | None = None,
        *,
        object_nbytes: int | None = None,
        identity: str | None = None,
    ) -> Buffer:
        return await self._storage.read(path, byte_range, object_nbytes=object_nbytes)

    async def read_all(self, paths: Sequence[str]) -> builtins.list[Buffer]:
        return await self._storage.read_all(paths)

    async def list(self, folder: str, *, after: str = "") -> builtins.list[ObjectInfo]:
        return await self._storage.list(folder, after=after)

    async def info(self, path: str) -> ObjectInfo:
        return await self._storage.info(path)

    def local_path(self, path: str) -> None:
        return None

    async def aclose(self) -> None:
        await self._storage.aclose()


async def open_far(root: Path, _: object, *, pool: DecodePool) -> FarStorage:
    return FarStorage(LocalStorage(str(root), pool))


def test_a_table_is_read_without_local_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFolder(tmp_path)
    log.checkpoint(0, protocol(), metadata(), add("a"), num_parts=2)
    log.commit(1, add("b"))
    near = read(tmp_path)
    monkeypatch.setattr(
        "tests.support.logs.open_storage",
        open_far,
    )
    far = read(tmp_path)
    assert far.files == near.files
    assert far.table_uri == "far://table"


def test_a_commit_that_goes_between_listing_and_reading_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFolder(tmp_path)
    log.first_commit()
    path = log.commit(1, add("b"))

    async def list_then_clean(storage: LocalStorage, folder: str) -> list[ObjectInfo]:
        infos = await original(storage, folder)
        path.unlink()
        return infos

    original = LocalStorage.list
    monkeypatch.setattr(LocalStorage, "list", list_then_clean)
    with pytest.raises(LogCorruptError, match=f"{path} was listed and is gone"):
        read(tmp_path)


def test_a_large_checkpoint_is_read_in_batches_and_whole(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    count = 40_000
    adds = (
        add(f"{i:06d}", modified_ms=-i, stats=f'{{"numRecords":{i},"x":1}}') for i in range(count)
    )
    log.checkpoint(0, protocol(), metadata(), *adds, row_group_rows=35_000)
    log.commit(1, *({"remove": {"path": f"{i:06d}"}} for i in range(0, count, 2)))
    files = read(tmp_path).files
    assert files.column("num_records").to_pylist() == list(range(count - 1, 0, -2))
    assert pc.all(pc.equal(files.column("nbytes"), 1)).as_py()
