"""Owns order: work ends in any order, its results leave in the order in which it was begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["OrderedSlots", "Slot"]

T = TypeVar("T")


class Slot(Generic[T]):
    """The place of one result in the order: set once, to a value or to a failure."""

    __slots__ = ("_error", "_is_done", "_on_done", "_value")

    def __init__(self, on_done: Callable[[], object]) -> None:
        self._on_done = on_done
        self._is_done = False
        self._value: T | None = None
        self._error: BaseException | None = None

    def set(self, value: T) -> None:
        """Set the value, unless a failure was set before."""
        self._finish(value, None)

    def fail(self, error: BaseException, *, after: T | None = None) -> None:
        """Set the failure, and what is handed on before it; of several the first counts."""
        self._finish(after, error)

    def _finish(self, value: T | None, error: BaseException | None) -> None:
        if not self._is_done:
            self._value, self._error, self._is_done = value, error, True
            self._on_done()


class OrderedSlots(Generic[T]):
    """Places for results, which are handed on in the order in which the places were taken.

    Belongs to one loop and never waits: `on_value` and `on_end` are called from within `set`, `fail` and `close`.
    (Waking a task for each result would cost the loop a turn, and a turn costs system calls.)
    """

    def __init__(
        self,
        on_value: Callable[[T], bool],
        on_end: Callable[[BaseException | None], object],
    ) -> None:
        """`on_value` may refuse a value by returning False: it is offered again by `resume`.

        `on_end` is called once: with the first failure in order, or with None after `close` and the last value.
        """
        self._on_value = on_value
        self._on_end = on_end
        self._slots: deque[Slot[T]] = deque()
        self._is_closed = False
        self._is_ended = False

    def __repr__(self) -> str:
        state = "ended" if self._is_ended else "closed" if self._is_closed else "open"
        return f"<OrderedSlots {state}, {len(self._slots)} waiting>"

    def reserve(self) -> Slot[T]:
        """Take the next place."""
        slot: Slot[T] = Slot(self.resume)
        self._slots.append(slot)
        return slot

    def clear(self) -> None:
        """Drop what was not handed on, and end without a word."""
        self._is_ended = True
        self._slots.clear()
        # Its callbacks are their owner's, which holds it: a cycle, and in it all that was read.
        self._on_value = lambda value: True
        self._on_end = lambda error: None

    def close(self) -> None:
        """Say that no further place will be taken."""
        self._is_closed = True
        self.resume()

    def resume(self) -> None:
        """Hand on what is ready, in order."""
        slots = self._slots
        while slots and slots[0]._is_done and not self._is_ended:
            slot = slots[0]
            if slot._value is not None:
                if not self._on_value(slot._value):
                    return
                slot._value = None
            if slot._error is not None:
                self._end(slot._error)
                return
            slots.popleft()
        if self._is_closed and not slots and not self._is_ended:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self._is_ended = True
        self._slots.clear()
        self._on_end(error)
