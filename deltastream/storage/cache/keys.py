"""Owns the key of a range of bytes: everything that tells it from any other range of any other object."""

from __future__ import annotations

import json

from deltastream.storage.store import Store
from deltastream.types import ByteRange

__all__ = ["range_key"]


def range_key(
    store: Store, path: str, *, identity: str, object_nbytes: int | None, byte_range: ByteRange
) -> bytes:
    """Return the key of `byte_range` of the object at the key `path` of the store, `object_nbytes` long by the log.

    `identity` tells it from others that had its place and size. No secret is part of it.
    """
    found = [*store.place, path, identity, object_nbytes]
    return json.dumps([*found, byte_range.start, byte_range.stop]).encode()
