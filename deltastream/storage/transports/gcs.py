"""Owns Google Cloud Storage through gcsfs: its session and its credentials, its JSON API asked directly."""

from __future__ import annotations

import builtins
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import anyio

from deltastream.storage.transport import AccessDeniedError, Response, TransientError
from deltastream.storage.transports.any_fsspec import make_filesystem
from deltastream.storage.transports.http_bodies import ask, open_body
from deltastream.storage.transports.responses import modified_ms
from deltastream.storage.transports.translate import describe, of_os_error
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["GcsTransport", "open_gcs"]


def open_gcs(arguments: Mapping[str, Any], bucket: str) -> GcsTransport:
    """Make a gcsfs file system for `bucket`. Blocks: it may ask for credentials."""
    try:
        return GcsTransport(make_filesystem("gs", arguments), bucket)
    except Exception as error:
        raise _of_credentials(error, bucket) from error


class GcsTransport:
    """One bucket."""

    is_streaming = True

    def __init__(self, filesystem: Any, bucket: str) -> None:
        self._filesystem = filesystem
        self._bucket = bucket

    def __repr__(self) -> str:
        return f"<GcsTransport {self._bucket}>"

    async def connect(self) -> None:
        """Make the session: requests that come at once would each make one."""
        await self._filesystem._set_session()

    @asynccontextmanager
    async def open(self, path: str, byte_range: ByteRange | None) -> AsyncIterator[Response]:
        url = f"{self._filesystem._location}/download/storage/v1/b/{self._bucket}/o/{quote(path, safe='')}"
        arguments = {"headers": await self._headers(path), "params": self._params(alt="media")}
        async with (
            _overload_told(),
            open_body(self._filesystem.session, url, path, byte_range, **arguments) as response,
        ):
            yield response

    async def list(
        self, folder: str, *, after: str = ""
    ) -> AsyncIterator[builtins.list[ObjectInfo]]:
        prefix = f"{folder}/" if folder else ""
        asked = {"prefix": prefix, "delimiter": "/", "startOffset": prefix + after}
        token: str | None = None
        while True:
            page = await self._ask("o", folder, **asked, pageToken=token)
            yield [
                ObjectInfo(
                    found["name"].removeprefix(prefix), int(found["size"]), modified_ms(found)
                )
                for found in page.get("items", ())
                # The folder itself may be an object; the offset is the first name that comes.
                if found["name"] not in (prefix, prefix + after)
            ]
            token = page.get("nextPageToken")
            if token is None:
                return

    async def info(self, path: str) -> ObjectInfo:
        found = await self._ask(f"o/{quote(path, safe='')}", path)
        return ObjectInfo(path.rpartition("/")[2], int(found["size"]), modified_ms(found))

    async def aclose(self) -> None:
        if self._filesystem._session is not None:
            await self._filesystem._session.close()

    async def _ask(self, what: str, path: str, **params: str | None) -> Any:
        url = f"{self._filesystem.base}b/{self._bucket}/{what}"
        headers = await self._headers(path)
        arguments: dict[str, Any] = {"headers": headers, "params": self._params(**params)}
        async with (
            _overload_told(),
            ask(self._filesystem.session, url, path, **arguments) as answer,
        ):
            return json.loads(await answer.read())

    def _params(self, **params: str | None) -> dict[str, str]:
        found: dict[str, str] = self._filesystem._get_params(params)
        return found

    async def _headers(self, path: str) -> dict[str, str]:
        headers: dict[str, str]
        # Else it names itself, whatever the session says.
        agent = self._filesystem.session.headers.get("User-Agent")
        given = None if agent is None else {"User-Agent": agent}
        if self._filesystem.credentials.credentials is None:
            headers = self._filesystem._get_headers(given)
            return headers
        try:
            # It may ask for another token, and blocks meanwhile.
            headers = await anyio.to_thread.run_sync(self._filesystem._get_headers, given)
        except Exception as error:
            raise _of_credentials(error, path) from error
        return headers


@asynccontextmanager
async def _overload_told() -> AsyncIterator[None]:
    """Make the refusals of one who asks too often what they are: Google's have status 403."""
    try:
        yield
    except PermissionError as error:
        if "ateLimitExceeded" in str(error):
            raise TransientError(str(error), status=429) from error
        raise


def _of_credentials(error: Exception, path: str) -> OSError:
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, TransportError):
        return TransientError(describe(error))
    # gcsfs has its own error for a refresh that failed.
    if (
        isinstance(error, GoogleAuthError | FileNotFoundError)
        or type(error).__name__ == "HttpError"
    ):
        return AccessDeniedError(describe(error))
    return of_os_error(error, path)
