"""Owns the choice of a storage by URI."""

from __future__ import annotations

import os
from functools import partial

from deltastream.engine.pool import DecodePool
from deltastream.errors import UnsupportedFeatureError
from deltastream.options import MAX_REQUESTS, MIN_REQUESTS, START_REQUESTS
from deltastream.storage.access import StorageAccess
from deltastream.storage.base import Storage
from deltastream.storage.limit import AdaptiveLimit, RequestLimiter
from deltastream.storage.local import LocalStorage
from deltastream.storage.policy import FaultPolicy

__all__ = ["open_storage"]


def open_storage(
    table_uri: str | os.PathLike[str],
    access: StorageAccess | None,
    *,
    pool: DecodePool,
    policy: FaultPolicy | None = None,
) -> Storage:
    """Return the storage of the table at `table_uri`, a local path or a URI; nothing is connected yet.

    Raises:
        OptionError: The URI or an option cannot be.
        UnsupportedFeatureError: The scheme is one we do not read yet.
    """
    from deltastream.storage.parse import parse_store

    access = access or StorageAccess()
    parse = partial(
        parse_store, storage_options=access.storage_options, credentials=access.credentials
    )
    store = parse(os.fspath(table_uri))
    if isinstance(store, str):
        return LocalStorage(store, pool)
    if access.transport == "obstore" or access.cache_dir is not None:
        raise UnsupportedFeatureError(
            f"{store.uri}: transport='obstore' and cache_dir are not supported yet"
        )
    # Clients of stores are not imported for a local table.
    from deltastream.storage.open_transport import connect
    from deltastream.storage.remote import RemoteStorage
    from deltastream.storage.requester import Requester

    limit = AdaptiveLimit(start=START_REQUESTS, minimum=MIN_REQUESTS, maximum=MAX_REQUESTS)
    requester = Requester(policy or FaultPolicy(), RequestLimiter(limit))
    return RemoteStorage(
        store,
        requester,
        connect=connect,
        parse=parse,
    )
