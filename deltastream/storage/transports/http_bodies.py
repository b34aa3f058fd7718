"""Owns requests over a session of aiohttp, on which file systems of fsspec's stand: bodies as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from deltastream.storage.transport import Buffer, Response
from deltastream.storage.transports.aiohttp_errors import of_aiohttp
from deltastream.storage.transports.responses import parse_content_range
from deltastream.storage.transports.translate import of_status
from deltastream.types import ByteRange

__all__ = ["AiohttpResponse", "ask", "open_body"]

_ERROR_NBYTES = 4096
"""What is read of the body of an error: it says why."""


@asynccontextmanager
async def ask(
    session: Any, url: str, path: str, *, method: str = "GET", **arguments: Any
) -> AsyncIterator[Any]:
    """Ask for `url`, which is encoded, and yield aiohttp's answer, if it is no error; what is left of it is dropped.

    Raises:
        OSError: What the error means for `path`; also of what fails within the context.
    """
    from aiohttp import ClientError
    from yarl import URL

    try:
        answer = await session.request(method, URL(url, encoded=True), **arguments)
    except Exception as error:
        raise of_aiohttp(error, path) from error
    try:
        if answer.status >= 400:
            text = await answer.content.read(_ERROR_NBYTES)
            raise of_status(answer.status, path, text.decode(errors="replace"), answer.headers)
        yield answer
    except Exception as error:
        # Some of aiohttp's are OSErrors, as ours are.
        if isinstance(error, OSError) and not isinstance(error, (ClientError, TimeoutError)):
            raise
        raise of_aiohttp(error, path) from error
    finally:
        # One that was read to its end has given its connection back.
        answer.close()


@asynccontextmanager
async def open_body(
    session: Any,
    url: str,
    path: str,
    byte_range: ByteRange | None,
    *,
    headers: Mapping[str, str],
    **arguments: Any,
) -> AsyncIterator[Response]:
    """Ask for the bytes of `url`, or those of `byte_range`."""
    # A compressed body has another length, and other offsets.
    sent = {"Accept-Encoding": "identity", **headers}
    if byte_range is not None:
        sent["Range"] = f"bytes={byte_range.start}-{byte_range.stop - 1}"
    async with ask(session, url, path, headers=sent, **arguments) as answer:
        yield AiohttpResponse(answer, path)


class AiohttpResponse:
    """An answer of aiohttp's, to a request for `path`."""

    def __init__(self, answer: Any, path: str) -> None:
        """Raise OSError where it does not say what it is."""
        self.start, self.object_nbytes = parse_content_range(
            answer.headers.get("Content-Range"), answer.content_length
        )
        self.etag: str | None = answer.headers.get("ETag")
        self._content = answer.content
        self._path = path

    async def read_some(self) -> Buffer:
        try:
            data: bytes = await self._content.readany()
        except Exception as error:
            raise of_aiohttp(error, self._path) from error
        return data
