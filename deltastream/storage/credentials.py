"""Owns asking a callback for credentials: what it gives is checked, and what it raises is said without its secrets."""

from __future__ import annotations

from datetime import UTC, datetime

from deltastream.errors import DeltaStreamError, OptionError, StorageError
from deltastream.storage.redact import cause_of
from deltastream.storage.store import Credentials, Store
from deltastream.storage.transport import AccessDeniedError, TransientError
from deltastream.storage.transports.translate import describe

__all__ = ["ask_for_credentials"]


def ask_for_credentials(store: Store) -> Credentials | None:
    """Return what the callback of `store` gives now; None where there is none. Blocks as long as it does.

    Raises:
        OptionError: It gave something else.
        StorageError: It failed, or gave what has ended; what may pass and what is refused stay what they are.
    """
    callback = store.credentials
    if callback is None:
        return None
    try:
        credentials = callback()
    except (DeltaStreamError, TransientError, AccessDeniedError):
        raise
    except Exception as error:
        raise StorageError(
            f"{store.uri}: the credentials callback failed: {describe(error)}"
        ) from cause_of(error)
    if not isinstance(credentials, Credentials):
        raise OptionError(
            f"{store.uri}: the credentials callback returned a {type(credentials).__name__}, and is to return "
            "deltastream.Credentials"
        )
    ends = credentials.expires_at
    if ends is not None and ends <= datetime.now(UTC):
        raise StorageError(f"{store.uri}: the credentials callback gave what ended at {ends}")
    return credentials
