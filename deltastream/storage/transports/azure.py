"""Owns Azure Blob Storage through the client that adlfs stands on, asked directly, with its retries switched off.

Not through adlfs itself: its file systems close their client at exit on a loop that has ended, and say so.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from deltastream.storage.transport import AccessDeniedError, Response, TransientError
from deltastream.storage.transports.aiohttp_errors import of_aiohttp
from deltastream.storage.transports.http_bodies import AiohttpResponse
from deltastream.storage.transports.translate import (
    describe,
    has_bad_certificate,
    not_found,
    of_status,
)
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["AzureTransport", "open_azure"]

_CLIENT_OPTIONS = (
    "connection_timeout",
    "read_timeout",
    "proxies",
    "user_agent",
    "connection_verify",
)


def open_azure(arguments: Mapping[str, Any], container: str) -> AzureTransport:
    """Make a client for `container` of adlfs' arguments, without connecting. Blocks: a first import takes a second."""
    from azure.storage.blob.aio import ContainerClient, ExponentialRetry

    options = {
        "retry_policy": ExponentialRetry(retry_total=0),
        **{name: arguments[name] for name in _CLIENT_OPTIONS if name in arguments},
    }
    if "connection_string" in arguments:
        return AzureTransport(
            ContainerClient.from_connection_string(
                arguments["connection_string"], container, **options
            )
        )
    host = arguments.get("account_host", f"{arguments['account_name']}.blob.core.windows.net")
    credential = arguments["credential"]
    client = ContainerClient(f"https://{host}", container, credential=credential, **options)
    return AzureTransport(client, credential)


class AzureTransport:
    """One container."""

    is_streaming = True

    def __init__(self, client: Any, credential: Any = None) -> None:
        """`credential` is closed with the client."""
        self._client = client
        self._credential = credential

    def __repr__(self) -> str:
        return f"<AzureTransport {self._client.container_name}>"

    @asynccontextmanager
    async def open(self, path: str, byte_range: ByteRange | None) -> AsyncIterator[Response]:
        blob = self._client.get_blob_client(path)
        asked = None if byte_range is None else f"bytes={byte_range.start}-{byte_range.stop - 1}"
        try:
            # `download_blob` takes a whole body in, and asks three times for one that broke.
            answer = await blob._client.blob.download(
                range=asked,
                cls=lambda answer, body, headers: answer.http_response.internal_response,
            )
        except Exception as error:
            raise _translate(error, path) from error
        try:
            yield AiohttpResponse(answer, path)
        finally:
            # One that was read to its end has given its connection back.
            answer.close()

    async def list(
        self, folder: str, *, after: str = ""
    ) -> AsyncIterator[builtins.list[ObjectInfo]]:
        # No store but Azure's newest leaves names out: pages that come before `after` are passed over.
        prefix = f"{folder}/" if folder else ""
        try:
            async for page in self._client.walk_blobs(prefix, delimiter="/").by_page():
                # A folder in it has no size.
                found = [blob async for blob in page if getattr(blob, "size", None) is not None]
                yield [
                    ObjectInfo(
                        blob.name.removeprefix(prefix),
                        blob.size,
                        int(blob.last_modified.timestamp()) * 1000,
                    )
                    for blob in found
                    if blob.name > prefix + after
                ]
        except Exception as error:
            raise _translate(error, folder) from error

    async def info(self, path: str) -> ObjectInfo:
        try:
            found = await self._client.get_blob_client(path).get_blob_properties()
        except Exception as error:
            raise _translate(error, path) from error
        modified_ms = int(found.last_modified.timestamp()) * 1000
        return ObjectInfo(path.rpartition("/")[2], found.size, modified_ms)

    async def aclose(self) -> None:
        await self._client.close()
        if hasattr(self._credential, "close"):
            await self._credential.close()


def _translate(error: Exception, path: str) -> OSError:
    from azure.core import exceptions

    if isinstance(error, exceptions.HttpResponseError) and error.status_code is not None:
        headers: Any = getattr(error.response, "headers", {})
        code = headers.get("x-ms-error-code", "")
        if code in ("ContainerNotFound", "BlobNotFound"):
            return not_found(path)
        return of_status(error.status_code, path, code or str(error.reason), headers)
    if isinstance(error, exceptions.ClientAuthenticationError):
        return AccessDeniedError(describe(error))
    if has_bad_certificate(error):
        return OSError(describe(error))
    if isinstance(error, exceptions.AzureError):
        # No answer, or a body that broke.
        return TransientError(describe(error))
    return of_aiohttp(error, path)
