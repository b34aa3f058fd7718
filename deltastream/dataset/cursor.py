"""Owns how far one iteration has come, counted where its batches are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from deltastream.dataset.epochs import Position
from deltastream.errors import copy_of
from deltastream.plan import Schedule

__all__ = ["Cursor", "count_batches"]

T = TypeVar("T")


class Cursor:
    """The batches that a rank, or one of its workers, has taken since the iteration began.

    It lives on when the iterator is gone.
    """

    def __init__(
        self,
        began: Position,
        schedule: Schedule,
        lanes: int,
        *,
        on_begin: Callable[[Position], object] = lambda _: None,
    ) -> None:
        """`on_begin(began)` is called with the first batch, or with the end where there is none."""
        self.began = began
        self.schedule = schedule
        self.lanes = lanes
        self.num_taken = 0
        self.is_ended = False
        self._on_begin = on_begin

    def __repr__(self) -> str:
        state = "ended" if self.is_ended else "open"
        return f"<Cursor {state}, {self.num_taken} batches from {self.began}>"

    def take(self) -> None:
        """Count a batch."""
        if self.num_taken == 0:
            self._begin()
        self.num_taken += 1

    def end(self) -> None:
        """Note that no more were there to take; an iterator that was closed ends like one that is used up."""
        if self.num_taken == len(self.schedule.steps()):
            if self.num_taken == 0:
                self._begin()
            self.is_ended = True

    def _begin(self) -> None:
        # Who is told holds this cursor: a cycle, and in it shared memory, that only the garbage collector would free.
        on_begin, self._on_begin = self._on_begin, lambda _: None
        on_begin(self.began)

    def next_microbatch(self) -> int:
        """Return the number of the batch that this consumer takes next."""
        schedule = self.schedule
        return schedule.microbatch(schedule.steps()[self.num_taken])[0]

    def position(self) -> Position:
        """Return the first microbatch that no rank has taken, if all have taken as many as this one.

        The end of an epoch is the beginning of the next.
        """
        schedule = self.schedule
        reached = schedule.start + self.num_taken * schedule.consumer.world_size
        left = schedule.num_microbatches - reached
        # Where ranks end unevenly, one that is a step short goes on with the others until it has met its end.
        if self.is_ended or left < (schedule.consumer.world_size if schedule.drop_last else 1):
            return Position(self.began.epoch + 1, 0)
        return Position(self.began.epoch, reached)


class _Counted(Iterator[T]):
    def __init__(self, batches: Iterator[T], cursor: Cursor) -> None:
        self._batches = batches
        self._cursor = cursor
        self._error: Exception | None = None

    def __next__(self) -> T:
        if self._error is not None:
            raise copy_of(self._error)
        try:
            batch = next(self._batches)
        except StopIteration:
            self._cursor.end()
            raise
        except Exception as error:
            # torch raises the error of a worker in a frame that keeps it: a cycle, with torch's iterator in it. Left to
            # the garbage collector, the iterator would wait 5 s for each worker.
            error.__traceback__ = None
            # Torch would go on with the batches of the other workers: what failed would look as if it had been taken.
            self._batches = iter(())
            self._error = copy_of(error)
            raise
        self._cursor.take()
        return batch


def count_batches(batches: Iterator[T], cursor: Cursor) -> Iterator[T]:
    """Return `batches`, counted as they are taken, up to the first error."""
    return _Counted(batches, cursor)
