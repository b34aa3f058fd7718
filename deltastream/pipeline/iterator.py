"""Owns the consumer's side: an iterator over what an engine reads, and the end of everything that it started."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from threading import Lock
from typing import Generic, NoReturn, Self, TypeVar

from deltastream.engine.allocators import join_allocators
from deltastream.engine.channel import EndOfStream
from deltastream.errors import ReadError
from deltastream.pipeline.engine import ReadEngine
from deltastream.pipeline.statistics import PipelineStatistics
from deltastream.pipeline.windows import C

__all__ = ["EngineIterator"]

T = TypeVar("T")


class EngineIterator(Iterator[T], Generic[T, C]):
    """Items made of one engine's chunks.

    Its threads end when the iterator is used up, is closed, fails, or is dropped, and at the interpreter's exit.
    Subclasses say how an item is made, and what to forget when nothing more will be.
    """

    def __init__(self, engine: ReadEngine[C]) -> None:
        self._engine = engine
        self._num_items = 0
        self._error: Exception | None = None
        self._taking = Lock()
        self._finalizer = weakref.finalize(self, engine.close)
        join_allocators()

    def __repr__(self) -> str:
        state = "open" if self._finalizer.alive else "closed"
        return (
            f"<{type(self).__name__} {state}, {self._num_items} batches, {self._engine.channel!r}>"
        )

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if not self._taking.acquire(blocking=False):
            raise RuntimeError("another thread is taking from this iterator: one at a time may")
        try:
            return self._take()
        finally:
            self._taking.release()

    def _take(self) -> T:
        try:
            item = self._make()
        except StopIteration:
            self.close()
            if self._error is not None:
                # Again: a failure that was caught must not look like the end of the epoch.
                raise self._error from None
            raise
        except EndOfStream:
            self._fail(ReadError("the reader ended before the epoch did; please report this"))
        except BaseException as error:
            self._fail(error)
        self._num_items += 1
        return item

    def _make(self) -> T:
        """Return the next item.

        Raises:
            StopIteration: There is none, or the iterator was closed.
        """
        raise NotImplementedError

    def _forget(self) -> None:
        """Drop what was received; from now on nothing more is made."""
        raise NotImplementedError

    def _fail(self, error: BaseException) -> NoReturn:
        self.close()
        # Ctrl-C, say: raised once, and then an error of ours, for the epoch is not over.
        self._error = (
            error
            if isinstance(error, Exception)
            else ReadError(f"the iterator was closed by {type(error).__name__}")
        )
        raise error

    def close(self) -> None:
        """End every task and thread, and wait for them; the decode or transform that runs is waited for."""
        self._forget()
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def statistics(self) -> PipelineStatistics:
        """Return what every stage did so far and how long it waited."""
        return self._engine.statistics(self._num_items)
