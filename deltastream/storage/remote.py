"""Owns tables in object stores: paths of the log made keys of buckets, and requests for them."""

from __future__ import annotations

import builtins
import errno
import os
from collections.abc import Callable, Sequence

from deltastream.engine.ordered import map_ordered
from deltastream.errors import UnsupportedFeatureError
from deltastream.storage.connection import Connection
from deltastream.storage.requester import Requester
from deltastream.storage.store import Store
from deltastream.storage.transport import Buffer
from deltastream.storage.uri import is_uri, quoted
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["RemoteStorage"]


class RemoteStorage:
    """A table's folder in a bucket; other buckets that its log names are reached with the same options."""

    def __init__(
        self,
        store: Store,
        requester: Requester,
        *,
        connect: Callable[[Store], Connection],
        parse: Callable[[str], Store | str],
    ) -> None:
        """`parse` makes an absolute URI a store whose root is the object's key."""
        self._store = store
        self._requester = requester
        self._connect = connect
        self._parse = parse
        self._connections = {store.place: connect(store)}

    @property
    def uri(self) -> str:
        return self._store.uri.rstrip("/")

    async def read(
        self,
        path: str,
        byte_range: ByteRange | None = None,
        *,
        object_nbytes: int | None = None,
        identity: str | None = None,
        afresh: bool = False,
        into: memoryview | None = None,
    ) -> Buffer:
        connection, key = self._place(path)
        return await self._requester.read(
            connection, key, byte_range, object_nbytes=object_nbytes, into=into
        )

    async def read_all(self, paths: Sequence[str]) -> builtins.list[Buffer]:
        # How many are under way at once is the requester's to say.
        return await map_ordered(self.read, paths, num_tasks=len(paths))

    async def list(self, folder: str, *, after: str = "") -> list[ObjectInfo]:
        connection, key = self._place(folder)
        found = await self._requester.list(connection, key.strip("/"), after=after)
        if not found and not after:
            # A store has no folders, only objects in them.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.uri}/{folder}")
        return found

    async def info(self, path: str) -> ObjectInfo:
        connection, key = self._place(path)
        return await self._requester.info(connection, key)

    def local_path(self, path: str) -> str | None:
        return None

    def cache_statistics(self) -> None:
        return None

    async def aclose(self) -> None:
        for connection in self._connections.values():
            await connection.aclose()

    def find(self, path: str) -> tuple[Store, str]:
        """Return the store that an object is in, and its key there."""
        if not is_uri(path):
            key = path[1:] if path.startswith("/") else f"{self._store.root}/{path}".strip("/")
            return self._store, key
        # Paths are decoded, and a URI is decoded where it is read.
        store = self._parse(quoted(path))
        if isinstance(store, str):
            raise UnsupportedFeatureError(
                f"{self.uri}: its log names {path!r} on a local disk, outside of its store"
            )
        return store, store.root

    def _place(self, path: str) -> tuple[Connection, str]:
        store, key = self.find(path)
        if store.place not in self._connections:
            self._connections[store.place] = self._connect(store)
        return self._connections[store.place], key
