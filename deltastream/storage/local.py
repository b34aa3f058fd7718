"""Owns tables on a local disk: plain files, read in the threads of the caller's pool."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from deltastream.engine.pool import DecodePool
from deltastream.errors import ObjectChangedError, UnsupportedFeatureError
from deltastream.storage.transport import Buffer
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["LocalStorage"]

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class LocalStorage:
    """A table folder on a local disk; every call blocks a thread of `pool`, never the loop."""

    def __init__(self, root: str, pool: DecodePool) -> None:
        self._root = os.path.abspath(root)
        self._pool = pool

    @property
    def uri(self) -> str:
        return self._root

    async def read(
        self,
        path: str,
        byte_range: ByteRange | None = None,
        *,
        object_nbytes: int | None = None,
        identity: str | None = None,
        afresh: bool = False,
    ) -> Buffer:
        return await self._pool.run(_read, self.local_path(path), byte_range, object_nbytes)

    async def read_all(self, paths: Sequence[str]) -> builtins.list[Buffer]:
        found = [self.local_path(path) for path in paths]
        return await self._pool.run(lambda: [_read(path, None, None) for path in found])

    async def list(self, folder: str, *, after: str = "") -> list[ObjectInfo]:
        return await self._pool.run(_list, self.local_path(folder), after)

    async def info(self, path: str) -> ObjectInfo:
        return await self._pool.run(_info, self.local_path(path), path)

    def local_path(self, path: str) -> str:
        if path.startswith("file:"):
            return unquote(urlsplit(path).path)
        if _REMOTE.match(path):
            raise UnsupportedFeatureError(
                f"{self._root}: its log names {path!r}, outside of the local disk, which is not read yet"
            )
        return os.path.join(self._root, path)

    def cache_statistics(self) -> None:
        return None

    async def aclose(self) -> None:
        """Nothing is open."""


def _read(path: str, byte_range: ByteRange | None, object_nbytes: int | None) -> bytes:
    with open(path, "rb") as file:
        if object_nbytes is not None:
            nbytes = os.fstat(file.fileno()).st_size
            if nbytes != object_nbytes:
                raise ObjectChangedError(
                    f"{path} has {nbytes} bytes, and is to have {object_nbytes}"
                )
        if byte_range is None:
            return file.read()
        file.seek(byte_range.start)
        data = file.read(byte_range.stop - byte_range.start)
    if len(data) < byte_range.stop - byte_range.start:
        raise ObjectChangedError(f"{path} ends before byte {byte_range.stop}")
    return data


def _list(folder: str, after: str) -> list[ObjectInfo]:
    with os.scandir(folder) as entries:
        found = [
            _describe(entry.name, entry.stat())
            for entry in entries
            if entry.name > after and entry.is_file()
        ]
    return sorted(found, key=lambda info: info.path)


def _info(path: str, name: str) -> ObjectInfo:
    return _describe(name, os.stat(path))


def _describe(name: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(name, status.st_size, status.st_mtime_ns // 1_000_000)
