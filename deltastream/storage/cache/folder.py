"""Owns the folder of a cache: who may change it, how many bytes it holds, and what leaves when it is full."""

from __future__ import annotations

import fcntl
import heapq
import os
import shutil
import struct
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deltastream.errors import OptionError
from deltastream.storage.cache.item import charged_nbytes

__all__ = ["CacheFolder", "TakenOverError"]

_LEDGER = "deltastream-cache"
_MAGIC = b"deltastreamcache"
_FORMAT = 1
_HEADER = struct.Struct("<16sI36sQ")
"""Magic and format, which no later format may move; the machine's boot; bytes held."""
_OLDEST = 4096
"""Items that one walk through the folder queues for eviction."""


class TakenOverError(OSError):
    """A process of another version took the folder over."""


@dataclass(slots=True)
class _Ledger:
    """What is known under the lock: the bytes held, never fewer than there are, whoever was killed when."""

    descriptor: int
    nbytes: int

    def write(self) -> None:
        header = _HEADER.pack(_MAGIC, _FORMAT, _boot_id(), self.nbytes)
        os.pwrite(self.descriptor, header, 0)


class CacheFolder:
    """Changes the folder under one lock that all threads and processes share; holds no descriptor between calls.

    Bytes are added to the ledger before they are claimed on the disk, and taken from it after they are freed: a process
    killed in between leaves a ledger that is too high, which the next walk through the folder puts right.
    """

    def __init__(self, root: str, max_nbytes: int) -> None:
        """Make or open the folder; remove what dead processes left, and what is above `max_nbytes`.

        Raises:
            OptionError: The folder holds something else.
            OSError: It can't be made or written.
        """
        self.items = os.path.join(root, "items")
        self._root = root
        self._temporary = os.path.join(root, "temporary")
        self._max_nbytes = max_nbytes
        self._oldest: deque[tuple[int, str]] = deque()
        os.makedirs(root, mode=0o700, exist_ok=True)
        names = os.listdir(root)
        if names and _LEDGER not in names:
            raise OptionError(
                f"cache_dir {root!r} holds other files; give an empty or a new folder"
            )
        with self._locked(opening=True) as ledger:
            for folder in (self.items, self._temporary):
                os.makedirs(folder, mode=0o700, exist_ok=True)
            for entry in os.scandir(self._temporary):
                _remove_if_dead(entry.path)
            if ledger.nbytes < 0:
                ledger.nbytes = self._walk()
                ledger.write()
            self._make_room(ledger, 0)

    def claim(self, nbytes: int) -> tuple[int, str] | None:
        """Return descriptor and path of a temporary file with room for `nbytes`; None if the cap is less than that.

        The descriptor's lock tells others that the file has an owner: close it only after the file was published.
        """
        charge = charged_nbytes(nbytes)
        if charge > self._max_nbytes:
            return None
        with self._locked() as ledger:
            if not self._make_room(ledger, charge):
                return None
            ledger.nbytes += charge
            ledger.write()
            descriptor, path = tempfile.mkstemp(dir=self._temporary)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                # Its final size at once: a walk counts what is still being written.
                os.ftruncate(descriptor, nbytes)
            except OSError:
                os.close(descriptor)
                os.unlink(path)
                raise
            return descriptor, path

    def _make_room(self, ledger: _Ledger, nbytes: int) -> bool:
        # Removing the least recently used, until `nbytes` fit. A walk that finds nothing to remove ends it: the rest is
        # being written by others.
        walked = False
        while ledger.nbytes + nbytes > self._max_nbytes:
            if not self._oldest:
                if walked:
                    return False
                ledger.nbytes = self._walk()
                ledger.write()
                walked = True
                continue
            used_ns, path = self._oldest.popleft()
            try:
                status = os.stat(path)
                if status.st_mtime_ns != used_ns:
                    continue  # used since, or written anew
                os.unlink(path)
            except FileNotFoundError:
                continue
            walked = False
            ledger.nbytes = max(0, ledger.nbytes - charged_nbytes(status.st_size))
            ledger.write()
        return True

    def _walk(self) -> int:
        # What is being written first: a file that is published meanwhile is counted twice, never not at all.
        nbytes = sum(charged_nbytes(status.st_size) for _, status in _files(self._temporary))
        found = []
        for shard in os.scandir(self.items):
            for path, status in _files(shard.path):
                nbytes += charged_nbytes(status.st_size)
                found.append((status.st_mtime_ns, path))
        self._oldest = deque(heapq.nsmallest(_OLDEST, found))
        return nbytes

    @contextmanager
    def _locked(self, *, opening: bool = False) -> Iterator[_Ledger]:
        # Opened anew each time: such locks exclude threads of one process too, and no fork inherits an idle one.
        flags = os.O_RDWR | (os.O_CREAT if opening else 0)
        descriptor = os.open(os.path.join(self._root, _LEDGER), flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self._read(descriptor, opening=opening)
        finally:
            # Not by closing alone: a child forked just now has the descriptor too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def _read(self, descriptor: int, *, opening: bool) -> _Ledger:
        header = os.pread(descriptor, _HEADER.size, 0)
        if header and header[:16] != _MAGIC:
            raise OptionError(f"cache_dir {self._root!r}: {_LEDGER!r} in it is no cache's")
        if len(header) == _HEADER.size:
            _, form, boot, nbytes = _HEADER.unpack(header)
            if form == _FORMAT:
                # After a machine's restart the ledger may be older than the files: -1 has them counted.
                return _Ledger(descriptor, nbytes if boot == _boot_id() or not opening else -1)
        if not opening:
            raise TakenOverError(f"{self._root}: a process of another version took the folder over")
        for folder in (self.items, self._temporary):
            shutil.rmtree(folder, ignore_errors=True)
        # Left as it is until what was there is counted: -1 again.
        return _Ledger(descriptor, -1)


def _files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    for entry in os.scandir(folder):
        try:
            yield entry.path, entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            pass  # published or removed meanwhile


def _remove_if_dead(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return  # published meanwhile
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        pass  # its owner lives, or has just published it
    finally:
        os.close(descriptor)


def _boot_id() -> bytes:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read(36)
    except OSError:
        return b""
