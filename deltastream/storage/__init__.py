"""The seam to where tables live: byte ranges, sizes and listings, by URI."""

from deltastream.storage.access import StorageAccess, TransportName
from deltastream.storage.base import Storage
from deltastream.storage.cache import CacheStatistics
from deltastream.storage.local import LocalStorage
from deltastream.storage.resolve import open_storage
from deltastream.storage.store import Credentials, CredentialsCallback
from deltastream.storage.transport import Buffer

__all__ = [
    "Buffer",
    "CacheStatistics",
    "Credentials",
    "CredentialsCallback",
    "LocalStorage",
    "Storage",
    "StorageAccess",
    "TransportName",
    "open_storage",
]
