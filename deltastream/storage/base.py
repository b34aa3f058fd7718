"""Owns the contract of a storage: everything that the log and the reader ask of it."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Protocol

from deltastream.types import ByteRange, ObjectInfo

__all__ = ["Storage"]


class Storage(Protocol):
    """One table's folder, read by paths relative to it (an absolute path or URI reads outside of it)."""

    @property
    def uri(self) -> str:
        """The table's absolute URI or path, for messages."""

    async def read(self, path: str, byte_range: ByteRange | None = None) -> bytes:
        """Return the object's bytes, or those of `byte_range`; FileNotFoundError where there is none."""

    async def read_all(self, paths: Sequence[str]) -> builtins.list[bytes]:
        """Return the bytes of several small objects, in order; an OSError names the object as its `filename`."""

    async def list(self, folder: str) -> list[ObjectInfo]:
        """List the objects right in `folder`, sorted by path; FileNotFoundError where there is no such folder."""

    async def info(self, path: str) -> ObjectInfo:
        """Return size and modification time; FileNotFoundError where there is no such object."""

    def local_path(self, path: str) -> str | None:
        """Return the path to open directly, or None where bytes come over a network."""
