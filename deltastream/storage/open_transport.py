"""Owns the way from a `Store` to its client."""

from __future__ import annotations

from functools import partial

import anyio

from deltastream.options import MAX_REQUESTS
from deltastream.storage.connection import Connection
from deltastream.storage.fsspec_arguments import fsspec_arguments, fsspec_path
from deltastream.storage.store import Store
from deltastream.storage.transport import Transport
from deltastream.storage.transports.any_fsspec import FsspecTransport, make_filesystem
from deltastream.storage.transports.s3 import open_s3

__all__ = ["connect"]


def connect(store: Store) -> Connection:
    """Return the connection to `store`, not opened yet."""
    name = f"{store.protocol}://{store.bucket}" if store.bucket else f"{store.protocol}:/"
    return Connection(name, partial(_open, store))


async def _open(store: Store, is_renewed: bool) -> Transport:
    # Every client has its own credentials: a new one reads or asks for them anew.
    credentials = None
    if store.credentials is not None:
        credentials = await anyio.to_thread.run_sync(store.credentials)
    protocol, arguments = fsspec_arguments(store, credentials)
    # The first import of a file system takes a second.
    if protocol == "s3":
        transport = await anyio.to_thread.run_sync(
            partial(open_s3, arguments, store.bucket, max_connections=MAX_REQUESTS)
        )
        await transport.connect()
        return transport
    filesystem = await anyio.to_thread.run_sync(make_filesystem, protocol, arguments)
    return FsspecTransport(filesystem, partial(fsspec_path, store))
