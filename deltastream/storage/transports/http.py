"""Owns web servers through fsspec's session of aiohttp: ranges as they arrive, folders as index pages."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from deltastream.storage.transport import Response
from deltastream.storage.transports.aiohttp_errors import of_aiohttp
from deltastream.storage.transports.any_fsspec import make_filesystem
from deltastream.storage.transports.http_bodies import ask, open_body
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["HttpTransport", "open_http"]


def open_http(protocol: str, arguments: Mapping[str, Any], host: str) -> HttpTransport:
    """Make fsspec's file system for one server, "host" or "host:port". Blocks: a first import takes a while."""
    return HttpTransport(make_filesystem(protocol, arguments), f"{protocol}://{host}")


class HttpTransport:
    """One server. A listing is what its index page links to: names alone, without sizes and times."""

    is_streaming = True

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root

    def __repr__(self) -> str:
        return f"<HttpTransport {self._root}>"

    async def connect(self) -> None:
        """Make the session: requests that come at once would each make one."""
        await self._filesystem.set_session()

    def open(
        self, path: str, byte_range: ByteRange | None
    ) -> AbstractAsyncContextManager[Response]:
        said = dict(self._filesystem.kwargs)
        headers = said.pop("headers", {})
        return open_body(
            self._filesystem._session, self._url(path), path, byte_range, headers=headers, **said
        )

    async def list(
        self, folder: str, *, after: str = ""
    ) -> AsyncIterator[builtins.list[ObjectInfo]]:
        url = f"{self._url(folder)}/"
        try:
            links = await self._filesystem._ls_real(url, detail=False)
        except FileNotFoundError:
            return
        except Exception as error:
            raise of_aiohttp(error, folder) from error
        start = urlsplit(url).path
        paths = {urlsplit(link).path for link in links}
        names = {
            unquote(path.removeprefix(start))
            for path in paths
            if path.startswith(start) and "/" not in path.removeprefix(start)
        }
        yield [ObjectInfo(name, -1, -1) for name in sorted(names) if name]

    async def info(self, path: str) -> ObjectInfo:
        said = dict(self._filesystem.kwargs)
        said["headers"] = {"Accept-Encoding": "identity", **said.get("headers", {})}
        async with ask(
            self._filesystem._session, self._url(path), path, method="HEAD", **said
        ) as answer:
            nbytes, modified = answer.content_length, answer.headers.get("Last-Modified")
        if nbytes is None:
            raise OSError("the server does not say how long it is")
        modified_ms = (
            -1 if modified is None else int(parsedate_to_datetime(modified).timestamp()) * 1000
        )
        return ObjectInfo(path.rpartition("/")[2], nbytes, modified_ms)

    async def aclose(self) -> None:
        if self._filesystem._session is not None:
            await self._filesystem._session.close()

    def _url(self, path: str) -> str:
        return f"{self._root}/{quote(path)}"
