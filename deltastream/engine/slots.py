"""Owns order: work ends in any order, its results leave in the order in which it was begun."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import anyio

__all__ = ["OrderedSlots", "Slot"]

T = TypeVar("T")


class Slot(Generic[T]):
    """The place of one result in the order: set once, to a value or to a failure."""

    __slots__ = ("_done", "_error", "_value")

    def __init__(self) -> None:
        self._done = anyio.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    def set(self, value: T) -> None:
        self._value = value
        self._done.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._done.set()

    async def wait(self) -> T:
        await self._done.wait()
        if self._error is not None:
            raise self._error
        value, self._value = self._value, None
        assert value is not None
        return value


class OrderedSlots(Generic[T]):
    """A queue of places for results; belongs to one loop. A failure is raised at its place, not before."""

    def __init__(self) -> None:
        self._slots: deque[Slot[T]] = deque()
        self._news = anyio.Event()
        self._closed = False

    def __repr__(self) -> str:
        return f"<OrderedSlots {'closed' if self._closed else 'open'}, {len(self._slots)} waiting>"

    def reserve(self) -> Slot[T]:
        """Take the next place."""
        slot: Slot[T] = Slot()
        self._slots.append(slot)
        self._news.set()
        return slot

    def close(self) -> None:
        """Say that no further place will be taken."""
        self._closed = True
        self._news.set()

    async def receive(self) -> T | None:
        """Wait for the next result in order; None once the slots are closed and empty."""
        while not self._slots:
            if self._closed:
                return None
            self._news = anyio.Event()
            await self._news.wait()
        return await self._slots.popleft().wait()
