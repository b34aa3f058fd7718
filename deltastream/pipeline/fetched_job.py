"""Owns a decode job whose bytes come from a store: fetched, decoded, and fetched anew where they do not decode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from anyio.abc import TaskGroup

from deltastream.engine.budget import Charge
from deltastream.engine.pool import DecodePool
from deltastream.errors import FileCorruptError
from deltastream.fetch import Fetched
from deltastream.options import MAX_REFETCHES
from deltastream.pipeline.ahead import FetchAhead, JobFetch

__all__ = ["Decode", "Done", "FetchedFiles", "FetchedJob"]

FetchedFiles: TypeAlias = Mapping[int, Fetched | None]
Decode: TypeAlias = Callable[[FetchedFiles], None]
Done: TypeAlias = Callable[[None, BaseException | None], None]


class FetchedJob:
    """One job on its way from the store through the decode pool. Belongs to the loop.

    Not a few closures: those would refer to each other, and so hold a window, which is long used up, until the garbage
    collector runs.
    """

    def __init__(
        self,
        fetch: JobFetch,
        decode: Decode,
        done: Done,
        *,
        ahead: FetchAhead,
        tasks: TaskGroup,
        pool: DecodePool,
        encoded: Charge,
    ) -> None:
        """`encoded` is charged for the bytes of several jobs; this one gives back its own."""
        self._fetch = fetch
        self._decode = decode
        self._done = done
        self._ahead = ahead
        self._tasks = tasks
        self._pool = pool
        self._encoded = encoded
        self._num_refetches = 0

    def start(self, *, afresh: bool = False) -> None:
        """Begin to fetch."""
        self._ahead.start(self._tasks, self._fetch, self._arrived, afresh=afresh)

    def _arrived(self, fetched: FetchedFiles, error: Exception | None) -> None:
        if error is None:
            self._pool.submit(partial(self._decode, fetched), self._decoded)
        else:
            self._ended(error)

    def _decoded(self, _: None, error: BaseException | None) -> None:
        if isinstance(error, FileCorruptError) and self._num_refetches < MAX_REFETCHES:
            # A byte may have become another on its way; what was placed is placed once more.
            self._num_refetches += 1
            self._ahead.decoded(self._fetch)
            self.start(afresh=True)
        else:
            self._ended(error)

    def _ended(self, error: BaseException | None) -> None:
        self._encoded.reduce(self._fetch.nbytes)
        self._ahead.decoded(self._fetch)
        self._done(None, error)
