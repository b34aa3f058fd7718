"""Owns the way from a `Store` to its client, and which of two it is."""

from __future__ import annotations

import importlib.util
from functools import partial

from anyio.to_thread import run_sync

from deltastream.errors import DeltaStreamError, OptionError, StorageError
from deltastream.options import MAX_REQUESTS
from deltastream.storage.access import TransportName
from deltastream.storage.connection import Client, Connection
from deltastream.storage.credentials import ask_for_credentials
from deltastream.storage.forks import has_inherited_obstore
from deltastream.storage.fsspec_arguments import fsspec_arguments, fsspec_path
from deltastream.storage.obstore_arguments import obstore_arguments
from deltastream.storage.redact import cause_of
from deltastream.storage.store import Credentials, Store
from deltastream.storage.transport import AccessDeniedError, TransientError, Transport
from deltastream.storage.transports.any_fsspec import FsspecTransport, make_filesystem
from deltastream.storage.transports.azure import open_azure
from deltastream.storage.transports.gcs import open_gcs
from deltastream.storage.transports.http import open_http
from deltastream.storage.transports.obstore import ObstoreTransport, open_obstore
from deltastream.storage.transports.s3 import open_s3
from deltastream.storage.transports.translate import describe

__all__ = ["check_transport", "connect"]


def connect(store: Store, transport: TransportName) -> Connection:
    """Return the connection to `store`, not opened yet."""
    return Connection(_name(store), partial(_open, store, transport))


def _name(store: Store) -> str:
    """Return what stands before a key in messages: the bucket's URI, or that of the host."""
    if store.bucket:
        return f"{store.protocol}://{store.bucket}"
    place = store.uri.removesuffix(store.root).rstrip("/")
    return f"{place}/" if place.endswith(":") else place


def check_transport(store: Store, transport: TransportName) -> None:
    """Raise OptionError where `transport` cannot be had here for `store`."""
    if transport != "obstore":
        return
    if importlib.util.find_spec("obstore") is None:
        raise OptionError(
            'transport="obstore" needs the package obstore: pip install "deltastream[obstore]"'
        )
    try:
        obstore_arguments(store)
    except DeltaStreamError:
        raise
    except Exception as error:
        raise StorageError(f"{store.uri}: {_no_client(error)}") from cause_of(error)


def _no_client(error: Exception) -> str:
    """Say what a library made of options that it does not take, or of an environment without credentials."""
    # Transports have described what they raise.
    text = describe(error).removeprefix("OSError: ")
    return f"no client can be made of storage_options and environment: {text}"


async def _open(store: Store, transport: TransportName) -> Client:
    try:
        return await _open_client(store, transport)
    except (DeltaStreamError, TransientError, AccessDeniedError):
        raise
    except Exception as error:
        # Of any kind: a file of credentials that is not there would pass for an object.
        raise OSError(_no_client(error)) from cause_of(error)


async def _open_client(store: Store, transport: TransportName) -> Client:
    # Every client has its own credentials: a new one reads or asks for them anew.
    credentials = await run_sync(ask_for_credentials, store, abandon_on_cancel=True)
    opened = await _open_with(store, credentials, transport)
    if credentials is None or credentials.expires_at is None:
        return Client(opened)
    return Client.of(opened, credentials.expires_at.timestamp())


async def _open_with(
    store: Store, credentials: Credentials | None, transport: TransportName
) -> Transport:
    if transport != "fsspec":
        found = await run_sync(_open_obstore, store, credentials, transport)
        if found is not None:
            return found
    return await _open_fsspec(store, credentials)


def _open_obstore(
    store: Store, credentials: Credentials | None, transport: TransportName
) -> ObstoreTransport | None:
    """Open obstore, or return None where "auto" has to do without it."""
    is_chosen = transport == "obstore"
    if not is_chosen and (has_inherited_obstore() or importlib.util.find_spec("obstore") is None):
        return None
    try:
        return open_obstore(*obstore_arguments(store, credentials))
    except Exception as error:
        # It cannot do all that is asked for, and s3fs, adlfs or gcsfs may.
        if not is_chosen:
            return None
        if isinstance(error, OptionError):
            raise
        raise OptionError(
            f'transport="obstore" cannot be had with these options: {describe(error)}'
        ) from cause_of(error)


async def _open_fsspec(store: Store, credentials: Credentials | None) -> Transport:
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
