"""Owns the reading of footers, a little ahead of their use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from deltastream.decode import Footer
from deltastream.errors import StorageError

__all__ = ["FooterReader"]


_MAX_FILES = 16
"""Footers read in one job: fewer hops between threads, and still several jobs to a block of small files."""


class _Pending:
    """A footer on its way."""

    __slots__ = ("done", "error", "footer")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.footer: Footer | None = None
        self.error: Exception | None = None


class ReadFooters(Protocol):
    """`FooterSource.read`."""

    async def __call__(self, files: Sequence[int], *, afresh: bool = False) -> list[Footer]: ...


class FooterReader:
    """Reads footers in the decode pool; those of a block are asked for together and forgotten together."""

    def __init__(
        self,
        tasks: TaskGroup,
        read: ReadFooters,
        num_threads: int,
    ) -> None:
        """`read(files)` reads some footers in one job; what did not come right is asked for once more, afresh."""
        self._tasks = tasks
        self._read = read
        self._num_threads = num_threads
        self._pending: dict[int, _Pending] = {}

    def __repr__(self) -> str:
        return f"<FooterReader, {len(self._pending)} held>"

    def prefetch(self, files: Sequence[int]) -> None:
        """Begin to read the footers of `files`, in this order, in as many jobs at once as there are threads."""
        new = [file for file in files if file not in self._pending]
        for file in new:
            self._pending[file] = _Pending()
        groups = iter([new[i : i + _MAX_FILES] for i in range(0, len(new), _MAX_FILES)])
        for _ in range(min(self._num_threads, -(-len(new) // _MAX_FILES))):
            self._tasks.start_soon(self._read_all, groups)

    def forget(self, files: Sequence[int]) -> None:
        """Drop what was asked for and is not wanted any more."""
        for file in files:
            self._pending.pop(file, None)

    async def get(self, files: Sequence[int]) -> tuple[dict[int, Footer], Exception | None]:
        """Return the footers of `files`, held no longer; or those before the first that failed, and why it did."""
        self.prefetch(files)
        found: dict[int, Footer] = {}
        error: Exception | None = None
        for file in files:
            pending = self._pending[file]
            await pending.done.wait()
            if pending.footer is None:
                error = pending.error
                break
            found[file] = pending.footer
        for file in files:
            del self._pending[file]
        return found, error

    async def _read_all(self, groups: Iterator[list[int]]) -> None:
        for files in groups:
            try:
                footers = await self._read(files)
            except StorageError as error:
                # Asked for once more it would take as long again to fail.
                for file in files:
                    self._failed(file, error)
            except Exception:
                # One of them is bad: the others are still good, and rows before it are still wanted.
                for file in files:
                    await self._read_one(file)
            else:
                for file, footer in zip(files, footers, strict=True):
                    self._arrived(file, footer)

    async def _read_one(self, file: int) -> None:
        try:
            self._arrived(file, (await self._read([file], afresh=True))[0])
        except Exception as error:
            self._failed(file, error)

    def _failed(self, file: int, error: Exception) -> None:
        if (pending := self._pending.get(file)) is not None:
            pending.error = error
            pending.done.set()

    def _arrived(self, file: int, footer: Footer) -> None:
        if (pending := self._pending.get(file)) is not None:
            pending.footer = footer
            pending.done.set()
