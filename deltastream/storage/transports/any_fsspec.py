"""Owns any file system of fsspec's: coroutines on our loop, or blocking calls in threads."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio

from deltastream.storage.transport import Response
from deltastream.storage.transports.responses import WholeResponse, modified_ms
from deltastream.storage.transports.translate import of_os_error
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["FsspecTransport", "make_filesystem"]

_MAX_THREADS = 64


def make_filesystem(protocol: str, arguments: Mapping[str, Any]) -> Any:
    """Return a file system that nobody else has, asynchronous where it can be. Blocks: importing takes a second."""
    import fsspec

    cls = fsspec.get_filesystem_class(protocol)
    # fsspec hands one instance to all that ask alike in a thread, with the connections of a loop that may have ended.
    options = {"skip_instance_cache": True, "use_listings_cache": False, **arguments}
    if getattr(cls, "async_impl", False):
        options["asynchronous"] = True
    return cls(**options)


class FsspecTransport:
    """A file system of which only fsspec's contract is known: bodies come whole, and without size and ETag.

    Coroutines are awaited where there are any. Blocking calls run in threads of their own, not to hold up decoding; one
    that hangs is left behind when its deadline passes.
    """

    is_streaming = False

    def __init__(self, filesystem: Any, name_of: Callable[[str], str]) -> None:
        """`name_of` makes a key the file system's name of it: bucket, slash and key, say."""
        self._filesystem = filesystem
        self._name_of = name_of
        self._is_async = bool(getattr(filesystem, "async_impl", False))
        self._threads = anyio.CapacityLimiter(_MAX_THREADS)

    def __repr__(self) -> str:
        return f"<FsspecTransport {type(self._filesystem).__name__}>"

    @asynccontextmanager
    async def open(self, path: str, byte_range: ByteRange | None) -> AsyncIterator[Response]:
        start, stop = (None, None) if byte_range is None else (byte_range.start, byte_range.stop)
        data = await self._call("cat_file", path, start=start, end=stop)
        yield WholeResponse(start or 0, data, len(data) if byte_range is None else None)

    async def list(
        self, folder: str, *, after: str = ""
    ) -> AsyncIterator[builtins.list[ObjectInfo]]:
        try:
            infos = await self._call("ls", folder, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        yield [
            ObjectInfo(info["name"].rpartition("/")[2], info["size"], modified_ms(info))
            for info in infos
            if info["type"] == "file"
        ]

    async def info(self, path: str) -> ObjectInfo:
        info = await self._call("info", path)
        return ObjectInfo(path.rpartition("/")[2], info["size"], modified_ms(info))

    async def aclose(self) -> None:
        session = getattr(self._filesystem, "_session", None)
        close = getattr(session, "close", None)
        if inspect.iscoroutinefunction(close):
            await close()

    async def _call(self, name: str, path: str, **arguments: Any) -> Any:
        whole = self._name_of(path)
        try:
            if self._is_async:
                return await getattr(self._filesystem, f"_{name}")(whole, **arguments)
            call = partial(getattr(self._filesystem, name), whole, **arguments)
            return await anyio.to_thread.run_sync(
                call, abandon_on_cancel=True, limiter=self._threads
            )
        except Exception as error:
            raise of_os_error(error, path) from error
