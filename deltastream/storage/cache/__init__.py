"""Bytes of immutable objects kept on a local disk, for later epochs and for other processes of the machine."""

from deltastream.storage.cache.disk_cache import CacheStatistics, DiskCache
from deltastream.storage.cache.keys import range_key

__all__ = ["CacheStatistics", "DiskCache", "range_key"]
