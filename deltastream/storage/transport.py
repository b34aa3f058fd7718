"""Owns the contract of a transport: one client of one object store, raw, and the kinds of failure it tells apart."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from deltastream.types import ByteRange, ObjectInfo

__all__ = ["AccessDeniedError", "Body", "Buffer", "TransientError", "Transport"]

Buffer: TypeAlias = bytes | memoryview
"""What a client received, not copied."""


class TransientError(OSError):
    """A request failed in a way that may not happen again: 429, 5xx, a time-out, a connection that broke."""

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        """`status` is HTTP's, None where no answer came; `retry_after_s` what the store asked to wait."""
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class AccessDeniedError(PermissionError):
    """The store refused the credentials: 401, 403, or a token that expired."""


@dataclass(frozen=True, slots=True)
class Body:
    """What one request gave: it may be shorter than what was asked for, and the caller checks that."""

    data: Buffer
    object_nbytes: int | None
    """Size of the whole object; None where the client does not tell."""
    etag: str | None


class Transport(Protocol):
    """Asks for one thing with one request, and never asks again: retries, deadlines and limits are its caller's.

    Paths are keys below the store's root (bucket or container), decoded. Belongs to the loop that it was made on, and
    is closed there. Besides the two errors above it raises FileNotFoundError, and OSError for what will not get better.
    """

    async def get(self, path: str, byte_range: ByteRange | None) -> Body:
        """Return the object's bytes, or those of `byte_range`, of which an object that ends earlier gives fewer."""
        ...

    async def list(self, prefix: str) -> builtins.list[ObjectInfo]:
        """List the objects right below the folder `prefix`, all pages of it; none where there is no such folder."""
        ...

    async def info(self, path: str) -> ObjectInfo:
        """Return size and modification time."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
