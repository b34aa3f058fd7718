"""Owns S3, Azure and Google Cloud Storage through obstore: a client in Rust, whose retries are switched off."""

from __future__ import annotations

import builtins
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from deltastream.storage.transport import (
    AccessDeniedError,
    Buffer,
    Response,
    TransientError,
)
from deltastream.storage.transports.pace import Pace
from deltastream.storage.transports.translate import (
    describe,
    not_found,
    of_status,
)
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["ObstoreTransport", "open_obstore"]

_PAGE_NAMES = 1000

_STATUS = re.compile(r"\bstatus code: (\d{3})\b")
_DENIED = re.compile(r"\b(?:ExpiredToken\w*|InvalidToken|TokenRefreshRequired)\b")


def open_obstore(name: str, arguments: Mapping[str, Any]) -> ObstoreTransport:
    """Make the client of class `name`, without connecting. Blocks: a first import takes a while."""
    import obstore.store

    return ObstoreTransport(getattr(obstore.store, name)(**arguments))


class ObstoreTransport:
    """One bucket or container."""

    is_streaming = True

    def __init__(self, client: Any) -> None:
        self._client = client
        self._pace = Pace()

    def __repr__(self) -> str:
        return f"<ObstoreTransport {type(self._client).__name__}>"

    @asynccontextmanager
    async def open(self, path: str, byte_range: ByteRange | None) -> AsyncIterator[Response]:
        asked = {} if byte_range is None else {"range": (byte_range.start, byte_range.stop)}
        try:
            answer = await self._client.get_async(path, options=asked)
        except Exception as error:
            raise _translate(error, path) from error
        began_s = monotonic()
        response = _ObstoreResponse(answer, path, self._pace)
        try:
            yield response
        except BaseException:
            self._pace.broke_off()
            raise
        self._pace.came(response.nbytes, monotonic() - began_s)

    async def list(
        self, folder: str, *, after: str = ""
    ) -> AsyncIterator[builtins.list[ObjectInfo]]:
        prefix = f"{folder}/" if folder else ""
        offset = prefix + after if after else None
        try:
            # Its other kind of listing leaves folders below out, and comes at once or not at all.
            pages = self._client.list(prefix or None, offset=offset, chunk_size=_PAGE_NAMES)
            async for page in pages:
                yield [
                    ObjectInfo(name, found["size"], int(found["last_modified"].timestamp() * 1000))
                    for found in page
                    if "/" not in (name := found["path"].removeprefix(prefix))
                ]
        except Exception as error:
            raise _translate(error, folder) from error

    async def info(self, path: str) -> ObjectInfo:
        try:
            found = await self._client.head_async(path)
        except Exception as error:
            raise _translate(error, path) from error
        modified_ms = int(found["last_modified"].timestamp() * 1000)
        return ObjectInfo(path.rpartition("/")[2], found["size"], modified_ms)

    async def aclose(self) -> None:
        """Drop the client, and its connections with it."""
        self._client = None


class _ObstoreResponse:
    def __init__(self, answer: Any, path: str, pace: Pace) -> None:
        meta = answer.meta
        self.start, stop = answer.range
        self.object_nbytes: int | None = meta["size"]
        self.etag: str | None = meta["e_tag"]
        chunk_nbytes = pace.chunk_nbytes(stop - self.start)
        is_whole = chunk_nbytes >= stop - self.start
        self._chunks = None if is_whole else answer.stream(min_chunk_size=chunk_nbytes)
        self._answer = answer
        self._path = path
        self.nbytes = 0

    async def read_some(self) -> Buffer:
        try:
            if self._chunks is not None:
                data = await anext(self._chunks, b"")
            else:
                data = b"" if self.nbytes else await self._answer.bytes_async()
        except Exception as error:
            raise _translate(error, self._path) from error
        self.nbytes += len(data)
        return memoryview(data)


def _translate(error: Exception, path: str) -> OSError:
    from obstore import exceptions

    if isinstance(error, FileNotFoundError):
        return not_found(path)
    # After it comes the same once more, for programmers in Rust.
    text = str(error).partition("\n\nDebug source")[0]
    told = describe(type(error)(text))
    if isinstance(
        error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError
    ) or _DENIED.search(text):
        return AccessDeniedError(told)
    if found := _STATUS.search(text):
        return of_status(int(found[1]), path, told)
    if isinstance(error, exceptions.GenericError) and "certificate" not in str(error):
        # No answer, or a body that broke.
        return TransientError(told)
    return OSError(told)
