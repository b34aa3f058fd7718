"""Owns what the errors of HTTP and of its clients mean: try again, let in first, not there, or not to be had."""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from deltastream.storage.redact import without_secrets
from deltastream.storage.transport import AccessDeniedError, OutOfRangeError, TransientError

__all__ = [
    "describe",
    "has_bad_certificate",
    "not_found",
    "of_os_error",
    "of_status",
    "retry_after_s",
]

_TRANSIENT_STATUS = frozenset({408, 425, 429})
_DENIED_STATUS = frozenset({401, 403, 407})
_TRANSIENT_ERRNO = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
)


def describe(error: BaseException) -> str:
    """Return type and text of a client's error, without secrets."""
    text = without_secrets(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def not_found(path: str) -> FileNotFoundError:
    """Return the error of an object that is not there."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def of_status(
    status: int, path: str, text: str, headers: Mapping[str, str] | None = None
) -> OSError:
    """Return what an HTTP status of 400 and more means for `path`."""
    if status == 404:
        return not_found(path)
    message = f"HTTP status {status}, {without_secrets(' '.join(text.split()))}".rstrip(", ")
    if status == 416:
        return OutOfRangeError(message)
    if status in _DENIED_STATUS:
        return AccessDeniedError(message)
    if status >= 500 or status in _TRANSIENT_STATUS:
        return TransientError(message, status=status, retry_after_s=retry_after_s(headers))
    return OSError(message)


def retry_after_s(headers: Mapping[str, str] | None) -> float | None:
    """Return how long ``Retry-After`` asks to wait: seconds or a date (RFC 9110, 10.2.3); None without one."""
    value = None if headers is None else headers.get("retry-after") or headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def of_os_error(error: Exception, path: str) -> OSError:
    """Return what an error means that is none of a client's own."""
    if isinstance(error, TransientError | AccessDeniedError | OutOfRangeError):
        return error
    if isinstance(error, FileNotFoundError):
        return not_found(path)
    if isinstance(error, PermissionError):
        return AccessDeniedError(describe(error))
    is_transient = isinstance(error, TimeoutError | ConnectionError | EOFError) or (
        isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO
    )
    if is_transient and not has_bad_certificate(error):
        return TransientError(describe(error))
    return OSError(describe(error))


def has_bad_certificate(error: BaseException | None) -> bool:
    """Say whether `error` came from a certificate that is not trusted, which will not get better."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
