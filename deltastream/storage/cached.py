"""Owns a store whose bytes are kept on the local disk: what never changes is asked for once."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import partial

import numpy as np
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from deltastream.engine.ordered import map_ordered
from deltastream.options import REQUEST_NBYTES
from deltastream.storage.cache import CacheStatistics, DiskCache, range_key
from deltastream.storage.remote import RemoteStorage
from deltastream.storage.transport import Buffer
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["CachedStorage"]

_NUM_THREADS = 8
"""Look-ups and writes at once: a checksum and a copy each, on the disk of one machine."""


class CachedStorage:
    """A storage, and a cache for the ranges of those of its objects that have an identity."""

    def __init__(self, storage: RemoteStorage, cache: DiskCache) -> None:
        self._storage = storage
        self._cache = cache
        self._threads = CapacityLimiter(_NUM_THREADS)

    @property
    def uri(self) -> str:
        return self._storage.uri

    async def read(
        self,
        path: str,
        byte_range: ByteRange | None = None,
        *,
        object_nbytes: int | None = None,
        identity: str | None = None,
        afresh: bool = False,
    ) -> Buffer:
        if identity is None or byte_range is None:
            return await self._storage.read(path, byte_range, object_nbytes=object_nbytes)
        store, key = self._storage.find(path)
        name = range_key(
            store, key, identity=identity, object_nbytes=object_nbytes, byte_range=byte_range
        )
        if not afresh:
            kept = await run_sync(self._cache.get, name, limiter=self._threads)
            if kept is not None:
                return kept
        data = await self._fetch(path, byte_range, object_nbytes)
        put = partial(self._cache.put, name, data, replaces=afresh)
        await run_sync(put, limiter=self._threads)
        return data

    async def _fetch(self, path: str, byte_range: ByteRange, object_nbytes: int | None) -> Buffer:
        """Return a range that may be too long for one request."""
        parts = byte_range.divide(REQUEST_NBYTES)
        if len(parts) == 1:
            return await self._storage.read(path, byte_range, object_nbytes=object_nbytes)
        whole = memoryview(np.empty(byte_range.stop - byte_range.start, np.uint8))  # type: ignore[arg-type]

        async def fetch(part: ByteRange) -> None:
            into = whole[part.start - byte_range.start : part.stop - byte_range.start]
            await self._storage.read(path, part, object_nbytes=object_nbytes, into=into)

        await map_ordered(fetch, parts, num_tasks=len(parts))
        return whole

    async def read_all(self, paths: Sequence[str]) -> builtins.list[Buffer]:
        return await self._storage.read_all(paths)

    async def list(self, folder: str, *, after: str = "") -> list[ObjectInfo]:
        return await self._storage.list(folder, after=after)

    async def info(self, path: str) -> ObjectInfo:
        return await self._storage.info(path)

    def local_path(self, path: str) -> str | None:
        return self._storage.local_path(path)

    def cache_statistics(self) -> CacheStatistics:
        return self._cache.statistics()

    async def aclose(self) -> None:
        await self._storage.aclose()
