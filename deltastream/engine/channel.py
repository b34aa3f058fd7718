"""Owns the hop from the loop to the consumer's thread: a queue bounded in bytes that closes with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

__all__ = ["Channel", "ChannelStatistics", "EndOfStream"]

T = TypeVar("T")


class EndOfStream(Exception):  # noqa: N818  (an end, not an error)
    """The sender closed the channel and everything was received."""


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """What crossed the channel and who waited."""

    num_items: int
    nbytes: int
    send_wait_s: float
    """Seconds the sender waited for room. High: the consumer is the slower side."""
    receive_wait_s: float
    """Seconds the receiver waited for an item. High: reading and decoding are the slower side."""


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Channel(Generic[T]):
    """Items with a size, sent on the loop, received in another thread, in order.

    A close is the last thing received: without an error it is the end of the stream, with one the error is raised
    there, and again at every further receive. So a failure can never look like the end.
    """

    def __init__(
        self,
        max_nbytes: int,
        *,
        call_soon: Callable[[Callable[[], object]], object],
        on_empty: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_empty` is called in the receiver's thread just before it waits."""
        self._max_nbytes = max_nbytes
        self._call_soon = call_soon
        self._on_empty = on_empty
        self._queue: SimpleQueue[tuple[T, int] | _End] = SimpleQueue()
        self._end: _End | None = None
        # Each counter has one writer: sent_* the loop, received_* the receiver.
        self._sent_nbytes = 0
        self._received_nbytes = 0
        self._num_items = 0
        self._send_wait_s = 0.0
        self._receive_wait_s = 0.0
        self._on_room: Callable[[], object] | None = None
        self._refused_s: float | None = None

    def __repr__(self) -> str:
        state = "closed" if self._end is not None else "open"
        queued = self._sent_nbytes - self._received_nbytes
        return (
            f"<Channel {state}, {self._queue.qsize()} items, {queued} of {self._max_nbytes} bytes>"
        )

    def try_send(self, item: T, nbytes: int, *, on_room: Callable[[], object]) -> bool:
        """Queue the item if there is room; else say no, and call `on_room` on the loop once there may be.

        An item larger than the whole channel passes alone.
        """
        # 1. Ask for news first: room made between the look and the asking would be news to nobody.
        self._on_room = on_room
        if not self._has_room(nbytes):
            self._refused_s = self._refused_s or time.perf_counter()
            return False
        # 2. There is room: no news is needed.
        self._on_room = None
        if self._refused_s is not None:
            self._send_wait_s += time.perf_counter() - self._refused_s
            self._refused_s = None
        self._sent_nbytes += nbytes
        self._num_items += 1
        self._queue.put((item, nbytes))
        return True

    def close(self, error: BaseException | None = None) -> None:
        """End the stream, once; later calls change nothing."""
        if self._end is None:
            self._end = _End(error)
            self._queue.put(self._end)

    def drain(self) -> None:
        """Drop what was not received, and forget whom to call; the end stays. Called when nobody sends any more."""
        self._call_soon = lambda callback: None
        self._on_empty = lambda: None
        self._on_room = None
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                break
        if self._end is not None:
            self._queue.put(self._end)

    def receive(self) -> T:
        """Block until an item comes.

        Raises:
            EndOfStream: The channel was closed without an error.
        """
        try:
            entry = self._queue.get_nowait()
        except Empty:
            self._on_empty()
            start = time.perf_counter()
            entry = self._queue.get()
            self._receive_wait_s += time.perf_counter() - start
        if isinstance(entry, _End):
            self._queue.put(entry)
            if entry.error is not None:
                raise entry.error
            raise EndOfStream
        item, nbytes = entry
        self._received_nbytes += nbytes
        if (on_room := self._on_room) is not None:
            self._on_room = None
            self._call_soon(on_room)
        return item

    def statistics(self) -> ChannelStatistics:
        return ChannelStatistics(
            self._num_items, self._sent_nbytes, self._send_wait_s, self._receive_wait_s
        )

    def _has_room(self, nbytes: int) -> bool:
        queued = self._sent_nbytes - self._received_nbytes
        return queued == 0 or queued + nbytes <= self._max_nbytes
