"""The seam to where tables live: byte ranges, sizes and listings, by URI."""

from deltastream.storage.base import Storage
from deltastream.storage.local import LocalStorage
from deltastream.storage.resolve import open_storage

__all__ = ["LocalStorage", "Storage", "open_storage"]
