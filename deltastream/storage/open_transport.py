"""Owns the way from a `Store` to its client."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync

from deltastream.options import MAX_REQUESTS
from deltastream.storage.connection import Connection
from deltastream.storage.fsspec_arguments import fsspec_arguments, fsspec_path
from deltastream.storage.store import Store
from deltastream.storage.transport import Transport
from deltastream.storage.transports.any_fsspec import FsspecTransport, make_filesystem
from deltastream.storage.transports.azure import open_azure
from deltastream.storage.transports.gcs import open_gcs
from deltastream.storage.transports.http import open_http
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
        credentials = await run_sync(store.credentials)
    protocol, arguments = fsspec_arguments(store, credentials)
    # The first import of a file system takes a second.
    match protocol:
        case "s3":
            s3 = await run_sync(open_s3, arguments, store.bucket, MAX_REQUESTS)
            await s3.connect()
            return s3
        case "az":
            return await run_sync(open_azure, arguments, store.bucket)
        case "gs":
            gcs = await run_sync(open_gcs, arguments, store.bucket)
            await gcs.connect()
            return gcs
        case "http" | "https":
            http = await run_sync(open_http, protocol, arguments, store.bucket)
            await http.connect()
            return http
    filesystem = await run_sync(make_filesystem, protocol, arguments)
    return FsspecTransport(filesystem, partial(fsspec_path, store))
