"""Owns the choice of a storage by URI."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

from anyio.to_thread import run_sync

from deltastream.engine.pool import DecodePool
from deltastream.errors import OptionError
from deltastream.options import MAX_REQUESTS, MIN_REQUESTS, START_REQUESTS
from deltastream.storage.access import StorageAccess
from deltastream.storage.base import Storage
from deltastream.storage.cache import DiskCache
from deltastream.storage.forks import has_inherited_obstore
from deltastream.storage.limit import AdaptiveLimit, RequestLimiter
from deltastream.storage.local import LocalStorage
from deltastream.storage.policy import FaultPolicy
from deltastream.storage.unity import find_unity_table, is_unity

__all__ = ["open_storage"]


async def open_storage(
    table_uri: str | os.PathLike[str],
    access: StorageAccess | None,
    *,
    pool: DecodePool,
    policy: FaultPolicy | None = None,
) -> Storage:
    """Return the storage of the table at `table_uri`, a local path or a URI; nothing but a catalog is connected yet.

    Raises:
        OptionError: The URI or an option cannot be.
        TableNotFoundError: A catalog has no such table.
        StorageError: A catalog did not answer.
    """
    from deltastream.storage.parse import parse_store

    access = access or StorageAccess()
    if not isinstance(table_uri, (str, os.PathLike)):
        raise OptionError(f"a table is named by a path or a URI, got {table_uri!r}")
    uri = os.fspath(table_uri)
    shown = None
    if is_unity(uri):
        table = await run_sync(find_unity_table, uri, access.storage_options)
        shown, uri = uri, table.location
        access = replace(
            access,
            storage_options=table.storage_options,
            credentials=access.credentials or table,
        )
    parse = partial(
        parse_store, storage_options=access.storage_options, credentials=access.credentials
    )
    store = parse(uri)
    if isinstance(store, str):
        return LocalStorage(store, pool)
    if shown is not None:
        # Whoever opens it once more asks the catalog once more.
        store = replace(store, uri=shown)
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
    storage = RemoteStorage(
        store,
        requester,
        connect=partial(connect, transport=access.transport),
        parse=parse,
    )
    if access.cache_dir is None:
        return storage
    from deltastream.storage.cached import CachedStorage

    cache = await run_sync(DiskCache, access.cache_dir, access.cache_nbytes)
    return CachedStorage(storage, cache)
