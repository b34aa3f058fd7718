"""Owns the contract of a storage: everything that the log and the reader ask of it."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Protocol

from deltastream.storage.cache import CacheStatistics
from deltastream.storage.transport import Buffer
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["Storage"]


class Storage(Protocol):
    """One table's folder, read by paths relative to it (an absolute path or URI reads outside of it).

    Paths are decoded: a percent sign is one of the name. Belongs to the loop that it is used on, and is closed there.
    All but FileNotFoundError, which names the object as its `filename`, is a `StorageError` where a network is between,
    and else an OSError.
    """

    @property
    def uri(self) -> str:
        """The table's absolute URI or path, for messages."""

    async def read(
        self,
        path: str,
        byte_range: ByteRange | None = None,
        *,
        object_nbytes: int | None = None,
        identity: str | None = None,
        afresh: bool = False,
    ) -> Buffer:
        """Return the object's bytes, or those of `byte_range`: exactly as many.

        Args:
            object_nbytes: The size of the whole object that the log promises; another one is an error.
            identity: What tells this object from others that had its name and size: it never changes, and its bytes
                may be kept. None: they are not.
            afresh: Whatever was kept, ask the store, and keep that instead.

        Raises:
            FileNotFoundError: There is no such object.
            ObjectChangedError: The object ends before `byte_range` does, or its size is not `object_nbytes`.
        """

    async def read_all(self, paths: Sequence[str]) -> builtins.list[Buffer]:
        """Return the bytes of several small objects, in order; an OSError names the object as its `filename`."""

    async def list(self, folder: str, *, after: str = "") -> list[ObjectInfo]:
        """List the objects right in `folder` whose names come after `after`, sorted by name.

        Raises:
            FileNotFoundError: There is no such folder.
        """

    async def info(self, path: str) -> ObjectInfo:
        """Return size and modification time; FileNotFoundError where there is no such object."""

    def local_path(self, path: str) -> str | None:
        """Return the path to open directly, or None where bytes come over a network."""

    def cache_statistics(self) -> CacheStatistics | None:
        """Return what the disk cache did; None where there is none."""

    async def aclose(self) -> None:
        """Close every connection."""
