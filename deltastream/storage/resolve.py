"""Owns the choice of a storage by URI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from deltastream.engine.pool import DecodePool
from deltastream.errors import OptionError, UnsupportedFeatureError
from deltastream.storage.base import Storage
from deltastream.storage.local import LocalStorage

__all__ = ["open_storage"]


def open_storage(
    table_uri: str | os.PathLike[str],
    storage_options: Mapping[str, str] | None,
    *,
    pool: DecodePool,
) -> Storage:
    """Return the storage of the table at `table_uri`: a local path or a ``file:`` URI.

    Raises:
        OptionError: `table_uri` is empty.
        UnsupportedFeatureError: The scheme is one we do not read yet.
    """
    uri = os.fspath(table_uri)
    scheme = urlsplit(uri).scheme.lower() if "://" in uri or uri.startswith("file:") else ""
    if scheme == "file":
        uri = unquote(urlsplit(uri).path)
    elif scheme:
        raise UnsupportedFeatureError(
            f"{uri}: tables under {scheme}:// are not read yet; copy the table to a local path"
        )
    if not uri:
        raise OptionError(
            f"the table's path is empty (got {os.fspath(table_uri)!r}); give a local path or a URI"
        )
    # Local files need no credentials: `storage_options` is for the stores that follow.
    return LocalStorage(uri, pool)
