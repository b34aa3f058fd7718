"""A storage over bytes in memory, which takes a while for each request and counts them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from deltastream.errors import ObjectChangedError
from deltastream.storage import Buffer
from deltastream.storage.cache import CacheStatistics
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["MemoryStorage", "serve_tables"]


class MemoryStorage:
    """The files of one folder, by their paths in it."""

    def __init__(
        self,
        uri: str,
        objects: dict[str, bytes],
        *,
        access: object = None,
        latency_s: float = 0.002,
    ) -> None:
        self.uri = uri
        self.access = access
        self.requests: list[tuple[str, ByteRange | None]] = []
        self.num_closed = 0
        self._objects = objects
        self._latency_s = latency_s

    async def read(
        self,
        path: str,
        byte_range: ByteRange | None = None,
        *,
        object_nbytes: int | None = None,
        identity: str | None = None,
        afresh: bool = False,
    ) -> bytes:
        self.requests.append((path, byte_range))
        await anyio.sleep(self._latency_s)
        try:
            data = self._objects[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file", path) from None
        if object_nbytes not in (None, len(data)):
            raise ObjectChangedError(f"{path} has {len(data)} bytes, not {object_nbytes}")
        if byte_range is None:
            return data
        if byte_range.stop > len(data):
            raise ObjectChangedError(f"{path} ends before byte {byte_range.stop}")
        return data[byte_range.start : byte_range.stop]

    async def read_all(self, paths: Sequence[str]) -> builtins.list[Buffer]:
        return [await self.read(path) for path in paths]

    async def list(self, folder: str, *, after: str = "") -> list[ObjectInfo]:
        names = [
            path.removeprefix(f"{folder}/")
            for path in self._objects
            if path.startswith(f"{folder}/")
        ]
        found = [name for name in sorted(names) if "/" not in name and name > after]
        if not names:
            raise FileNotFoundError(2, "No such folder", folder)
        return [ObjectInfo(name, len(self._objects[f"{folder}/{name}"]), 0) for name in found]

    async def info(self, path: str) -> ObjectInfo:
        return ObjectInfo(path, len(self._objects[path]), 0)

    def local_path(self, path: str) -> str | None:
        return None

    def cache_statistics(self) -> CacheStatistics | None:
        return None

    async def aclose(self) -> None:
        self.num_closed += 1


def serve_tables(monkeypatch: pytest.MonkeyPatch, **roots: Path) -> list[MemoryStorage]:
    """Let ``test://name`` be a copy of a folder; the storages opened are listed as they are."""
    opened: list[MemoryStorage] = []
    tables = {f"test://{name}": _load(root) for name, root in roots.items()}

    async def open_storage(uri: str, access: object, *, pool: object) -> MemoryStorage:
        storage = MemoryStorage(uri, tables[uri], access=access)
        opened.append(storage)
        return storage

    for module in ("engine", "table"):
        monkeypatch.setattr(f"deltastream.pipeline.{module}.open_storage", open_storage)
    return opened


def _load(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
