"""Owns S3 through s3fs: its client of aiobotocore, asked directly, with every retry of the two switched off."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from deltastream.storage.transport import AccessDeniedError, Buffer, Response, TransientError
from deltastream.storage.transports.aiohttp_errors import of_aiohttp
from deltastream.storage.transports.any_fsspec import make_filesystem
from deltastream.storage.transports.responses import Placed, modified_ms, parse_content_range
from deltastream.storage.transports.translate import (
    describe,
    has_bad_certificate,
    not_found,
    of_status,
    retry_after_s,
)
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["S3Transport", "open_s3"]

# Answers of status 400 that mean something else (AWS S3, "List of error codes").
_DENIED_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
)
_TRANSIENT_CODES = frozenset({"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"})


def open_s3(arguments: Mapping[str, Any], bucket: str, max_connections: int) -> S3Transport:
    """Make an s3fs file system for `bucket`, without connecting. Blocks: a first import takes a second."""
    given = dict(arguments)
    given["config_kwargs"] = {
        "retries": {"mode": "standard", "total_max_attempts": 1},
        # Ten connections, the default, are ten requests in flight, whatever is allowed.
        "max_pool_connections": max_connections,
        "response_checksum_validation": "when_required",
        **given.get("config_kwargs", {}),
    }
    return S3Transport(make_filesystem("s3", given), bucket)


class S3Transport:
    """One bucket."""

    is_streaming = True

    def __init__(self, filesystem: Any, bucket: str) -> None:
        self._filesystem = filesystem
        self._bucket = bucket

    def __repr__(self) -> str:
        return f"<S3Transport {self._bucket}>"

    async def connect(self) -> None:
        """Make the client: requests that come at once would each make one."""
        try:
            await self._filesystem.set_session()
        except Exception as error:
            raise _translate(error, self._bucket) from error

    @asynccontextmanager
    async def open(self, path: str, byte_range: ByteRange | None) -> AsyncIterator[Response]:
        arguments = {"Bucket": self._bucket, "Key": path}
        if byte_range is not None:
            arguments["Range"] = f"bytes={byte_range.start}-{byte_range.stop - 1}"
        answer = await self._call("get_object", path, **arguments)
        stream = answer["Body"].raw_stream
        try:
            start, nbytes = parse_content_range(
                answer.get("ContentRange"), answer.get("ContentLength")
            )
            yield _S3Response(Placed(start, nbytes, answer.get("ETag")), stream, path)
        finally:
            # One that was read to its end has given its connection back.
            stream.close()

    async def list(
        self, folder: str, *, after: str = ""
    ) -> AsyncIterator[builtins.list[ObjectInfo]]:
        prefix = f"{folder}/" if folder else ""
        arguments = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": "/"}
        if after:
            arguments["StartAfter"] = prefix + after
        while True:
            page = await self._call("list_objects_v2", folder, **arguments)
            yield [
                ObjectInfo(found["Key"].removeprefix(prefix), found["Size"], modified_ms(found))
                for found in page.get("Contents", ())
                # The folder itself may be an object.
                if found["Key"] != prefix
            ]
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    async def info(self, path: str) -> ObjectInfo:
        head = await self._call("head_object", path, Bucket=self._bucket, Key=path)
        return ObjectInfo(path.rpartition("/")[2], head["ContentLength"], modified_ms(head))

    async def aclose(self) -> None:
        client = self._filesystem._s3
        if client is not None:
            await client.close()

    async def _call(self, name: str, path: str, **arguments: Any) -> Any:
        try:
            client = await self._filesystem.get_s3(self._bucket)
            method = getattr(client, name)
            # With who pays, and what of `s3_additional_kwargs` this method takes: keys of encrypted objects, say.
            return await method(**self._filesystem._get_s3_method_kwargs(method, **arguments))
        except Exception as error:
            raise _translate(error, path) from error


class _S3Response:
    def __init__(self, placed: Placed, stream: Any, path: str) -> None:
        self.start, self.object_nbytes, self.etag = (
            placed.start,
            placed.object_nbytes,
            placed.etag,
        )
        self._stream = stream
        self._path = path

    async def read_some(self) -> Buffer:
        try:
            data: bytes = await self._stream.content.readany()
        except Exception as error:
            raise _translate(error, self._path) from error
        return data


def _translate(error: Exception, path: str) -> OSError:
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _of_client_error(error, path)
    if isinstance(error, exceptions.NoCredentialsError):
        return AccessDeniedError(
            f'{describe(error)}; for a public bucket give aws_skip_signature: "true"'
        )
    if isinstance(
        error,
        exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError
        | exceptions.TokenRetrievalError
        | exceptions.UnauthorizedSSOTokenError,
    ):
        return AccessDeniedError(describe(error))
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        if has_bad_certificate(error):
            return OSError(describe(error))
        return TransientError(describe(error))
    if isinstance(error, exceptions.BotoCoreError):
        return OSError(describe(error))
    return of_aiohttp(error, path)


def _of_client_error(error: Any, path: str) -> OSError:
    found = error.response.get("Error", {})
    code = str(found.get("Code", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    text = f"{code}: {found.get('Message', '')}".strip(": ")
    if code in _DENIED_CODES:
        return AccessDeniedError(f"HTTP status {status}, {text}")
    if code in _TRANSIENT_CODES:
        asked_s = retry_after_s(metadata.get("HTTPHeaders"))
        return TransientError(f"HTTP status {status}, {text}", status=status, retry_after_s=asked_s)
    if code in ("NoSuchKey", "NoSuchBucket"):
        return not_found(path)
    return of_status(status, path, text, metadata.get("HTTPHeaders"))
