"""Owns the choice of a storage by URI."""

from __future__ import annotations

import os
from functools import partial

from deltastream.engine.pool import DecodePool
from deltastream.errors import OptionError, UnsupportedFeatureError
from deltastream.options import MAX_REQUESTS, MIN_REQUESTS, START_REQUESTS
from deltastream.storage.access import StorageAccess
from deltastream.storage.base import Storage
from deltastream.storage.forks import has_inherited_obstore
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
    if access.cache_dir is not None:
        raise UnsupportedFeatureError(f"{store.uri}: cache_dir is not supported yet")
    if access.transport == "obstore" and has_inherited_obstore():
        raise OptionError(
            'transport="obstore" does not work in a process forked from one that had obstore: give the DataLoader '
            'multiprocessing_context="forkserver", or take transport="auto" or "fsspec"'
        )
    # Clients of stores are not imported for a local table.
    from deltastream.storage.open_transport import check_transport, connect
    from deltastream.storage.remote import RemoteStorage
    from deltastream.storage.requester import Requester

    check_transport(store, access.transport)
    limit = AdaptiveLimit(start=START_REQUESTS, minimum=MIN_REQUESTS, maximum=MAX_REQUESTS)
    requester = Requester(policy or FaultPolicy(), RequestLimiter(limit))
    return RemoteStorage(
        store,
        requester,
        connect=partial(connect, transport=access.transport),
        parse=parse,
    )
