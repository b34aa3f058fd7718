"""Owns the contract of a transport: one client of one object store, raw, and the kinds of failure it tells apart."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from deltastream.types import ByteRange, ObjectInfo

__all__ = [
    "AccessDeniedError",
    "Buffer",
    "OutOfRangeError",
    "Response",
    "TransientError",
    "Transport",
]

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


class OutOfRangeError(OSError):
    """The object ends before the range that was asked for begins."""


class Response(Protocol):
    """An answer whose body has not been read yet."""

    @property
    def start(self) -> int:
        """Where in the object the body begins."""
        ...

    @property
    def object_nbytes(self) -> int | None:
        """Size of the whole object; None where the client does not tell."""
        ...

    @property
    def etag(self) -> str | None:
        """What changes when the object does; None where the client does not tell."""
        ...

    async def read_some(self) -> Buffer:
        """Return what came next of the body, nothing at its end, which may come too early: the caller checks."""
        ...


class Transport(Protocol):
    """Asks for one thing with one request, and never asks again: retries, deadlines and limits are its caller's.

    Paths are keys below the store's root (bucket or container), decoded. Belongs to the loop that it was first used on,
    and is closed there. Besides the three errors above it raises FileNotFoundError, and OSError for what will not get
    better.
    """

    @property
    def is_streaming(self) -> bool:
        """Whether a body comes as it arrives; else it comes at once, or not at all."""
        ...

    def open(
        self, path: str, byte_range: ByteRange | None
    ) -> AbstractAsyncContextManager[Response]:
        """Ask for the object's bytes, or those of `byte_range`; leaving the context drops what is not read."""
        ...

    def list(self, folder: str, *, after: str = "") -> AsyncIterator[builtins.list[ObjectInfo]]:
        """Yield the objects right below `folder`, a page for each request, none where there is no such folder.

        Names up to `after` may be left out, and are where the store can.
        """
        ...

    async def info(self, path: str) -> ObjectInfo:
        """Return size and modification time; the name is the last of `path`."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
