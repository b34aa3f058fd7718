"""Owns what the errors of aiohttp mean, on which most clients of fsspec's stand."""

from __future__ import annotations

from deltastream.storage.transport import AccessDeniedError, TransientError
from deltastream.storage.transports.translate import (
    describe,
    has_bad_certificate,
    of_os_error,
    of_status,
)

__all__ = ["of_aiohttp"]


def of_aiohttp(error: Exception, path: str) -> OSError:
    """Return what an error of aiohttp's, or one below it, means."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        return of_status(error.status, path, error.message, error.headers)
    if isinstance(error, aiohttp.InvalidURL) or has_bad_certificate(error):
        return OSError(describe(error))
    if isinstance(error, FileNotFoundError):
        # One of credentials: an object that is not there has a status.
        return AccessDeniedError(describe(error))
    if isinstance(error, aiohttp.ClientError):
        return TransientError(describe(error))
    return of_os_error(error, path)
