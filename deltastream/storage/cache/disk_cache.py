"""Owns the disk cache: bytes under keys, whole or not at all, shared by the processes of a machine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from deltastream.options import whole_number
from deltastream.storage.cache.folder import CacheFolder
from deltastream.storage.cache.item import file_name, read_item, trailer

__all__ = ["CacheStatistics", "DiskCache"]

_WARNED: set[str] = set()
"""Folders that this process was warned of: every iterator opens its own anew."""


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What one process did with its cache. Many misses in a later epoch: the cap is below what the epoch reads."""

    num_hits: int
    num_misses: int
    num_damaged: int
    """Misses among them whose file was there and was not what it said: it was removed."""
    hit_nbytes: int
    num_kept: int
    keeps: bool
    """False once the folder could not be written."""


class DiskCache:
    """Keeps the bytes of immutable objects in `folder`, at most `max_nbytes` of them, the least recently used leave.

    Calls block, and may come from any thread of any process. A key's data never changes: a second `put` does nothing.
    """

    def __init__(self, folder: str | os.PathLike[str], max_nbytes: int) -> None:
        """Make or open the folder, for this user alone. One that can't be written is warned of once, and only read.

        Raises:
            OptionError: The folder holds something else, or `max_nbytes` is no positive integer.
        """
        max_nbytes = whole_number("cache_nbytes", max_nbytes)
        self._root = os.path.abspath(folder)
        self._lock = Lock()
        self._counts = dict.fromkeys(("hits", "misses", "damaged", "nbytes", "kept"), 0)
        self._keeps = True
        self._items = os.path.join(self._root, "items")
        self._folder: CacheFolder | None = None
        try:
            self._folder = CacheFolder(self._root, max_nbytes)
        except OSError as error:
            self._stop_keeping(error)

    def __repr__(self) -> str:
        return f"<DiskCache {self._root} {self.statistics()}>"

    def get(self, key: bytes) -> memoryview | None:
        """Return a map of the data under `key`, its checksum verified, or None. Evicted, it stays readable."""
        path = os.path.join(self._items, file_name(key))
        data, damaged = None, False
        try:
            data = read_item(path, key)
            damaged = data is None
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            pass
        except OSError:
            damaged = True  # an empty file can't be mapped, one on a broken disk not be read
        if damaged:
            _quietly(os.unlink, path)
        elif data is not None:
            _quietly(os.utime, path)
        self._count(
            hits=data is not None, misses=data is None, damaged=damaged, nbytes=len(data or b"")
        )
        return data

    def put(self, key: bytes, data: bytes | memoryview, *, replaces: bool = False) -> None:
        """Keep `data` under `key`, if the cap allows; `replaces`: instead of what is kept under it.

        A disk that is full ends the keeping, with one warning.
        """
        if self._folder is None or not self._keeps:
            return
        path = os.path.join(self._items, file_name(key))
        if os.path.exists(path) and not replaces:
            return
        end = trailer(key, data)
        try:
            claimed = self._folder.claim(len(data) + len(end))
            if claimed is not None:
                _publish(*claimed, data, end, path)
                self._count(kept=1)
        except OSError as error:
            self._stop_keeping(error)

    def statistics(self) -> CacheStatistics:
        """Return what was done so far."""
        with self._lock:
            found = dict(self._counts)
        return CacheStatistics(
            num_hits=found["hits"],
            num_misses=found["misses"],
            num_damaged=found["damaged"],
            hit_nbytes=found["nbytes"],
            num_kept=found["kept"],
            keeps=self._keeps,
        )

    def _count(self, **counts: int) -> None:
        with self._lock:
            for name, count in counts.items():
                self._counts[name] += count

    def _stop_keeping(self, error: OSError) -> None:
        with self._lock:
            first, self._keeps = self._keeps, False
        if first and self._root not in _WARNED:
            _WARNED.add(self._root)
            try:
                warnings.warn(
                    f"cache_dir {self._root!r} keeps nothing more: {error}; what it has is still read",
                    RuntimeWarning,
                    stacklevel=3,
                )
            except RuntimeWarning:
                pass  # warnings are errors here: a read must not fail for want of a cache


def _quietly(change: Callable[[str], None], path: str) -> None:
    try:
        change(path)
    except OSError:
        pass  # evicted meanwhile, or not ours to change: what was read is no different for it


def _publish(
    descriptor: int, temporary: str, data: bytes | memoryview, end: bytes, path: str
) -> None:
    try:
        _write_all(descriptor, data)
        _write_all(descriptor, end)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
