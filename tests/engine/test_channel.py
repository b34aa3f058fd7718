from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.engine.channel import Channel, EndOfStream
from deltastream.engine.loop import LoopThread

MAX_NBYTES = 50


def at_once(callback: Callable[[], object]) -> None:
    """Stand for a loop that is never busy."""
    callback()


class Sender:
    """Sends items of some sizes, each as soon as there is room, and then closes the channel."""

    def __init__(self, channel: Channel[int], sizes: list[int]) -> None:
        self._channel = channel
        self._items = list(enumerate(sizes))
        self.on_end: Callable[[], object] = lambda: None

    def send(self) -> None:
        while self._items:
            if not self._channel.try_send(*self._items[0], on_room=self.send):
                return
            self._items.pop(0)
        self._channel.close()
        self.on_end()


@given(st.lists(st.integers(0, 80), max_size=15), st.lists(st.integers(1, 3), max_size=10))
def test_the_queue_keeps_within_its_bytes_and_a_larger_item_passes_alone(
    sizes: list[int], num_received: list[int]
) -> None:
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=at_once)
    Sender(channel, sizes).send()
    received = 0
    for number in [0, *num_received, *[1] * len(sizes)]:
        for _ in range(min(number, len(sizes) - received)):
            assert channel.receive() == received
            received += 1
        queued: list[int] = []
        for nbytes in sizes[received:]:
            if sum(queued) and sum(queued) + nbytes > MAX_NBYTES:
                break
            queued.append(nbytes)
        # Exactly as many as fit: neither more, nor one held back that has room.
        is_closed = received + len(queued) == len(sizes)
        state = f"{'closed' if is_closed else 'open'}, {len(queued) + is_closed} items"
        assert repr(channel) == f"<Channel {state}, {sum(queued)} of {MAX_NBYTES} bytes>"
    assert received == len(sizes)
    with pytest.raises(EndOfStream):
        channel.receive()
    statistics = channel.statistics()
    assert (statistics.num_items, statistics.nbytes) == (len(sizes), sum(sizes))


def fill(channel: Channel[int], *items: int) -> None:
    for item in items:
        assert channel.try_send(item, 1, on_room=pytest.fail)


@pytest.mark.parametrize("num_items", [0, 3])
def test_a_failure_is_raised_after_the_items_before_it_and_never_looks_like_the_end(
    num_items: int,
) -> None:
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=at_once)
    fill(channel, *range(num_items))
    error = OSError("the disk is gone")
    channel.close(error)
    # Whoever closes later changes nothing.
    channel.close()
    channel.close(KeyError("later"))
    assert [channel.receive() for _ in range(num_items)] == list(range(num_items))
    for _ in range(3):
        with pytest.raises(OSError, match="the disk is gone") as caught:
            channel.receive()
        assert caught.value is error


def test_an_end_is_an_end_every_time() -> None:
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=at_once)
    channel.close()
    channel.close(OSError("too late"))
    for _ in range(3):
        with pytest.raises(EndOfStream):
            channel.receive()


def test_news_of_room_comes_once_to_the_sender_that_was_refused_and_to_no_other() -> None:
    channel: Channel[int] = Channel(2, call_soon=at_once)
    news: list[str] = []
    fill(channel, 0, 1)
    assert not channel.try_send(2, 1, on_room=lambda: news.append("first"))
    assert not channel.try_send(2, 1, on_room=lambda: news.append("second"))
    assert news == []
    channel.receive()
    channel.receive()
    assert news == ["second"]
    fill(channel, 2)
    channel.receive()
    assert news == ["second"]
    assert channel.statistics().send_wait_s > 0


class Hop:
    """A channel whose sender is on a loop thread and whose receiver is the test."""

    def __init__(self, *, on_empty: Callable[[], object] = lambda: None) -> None:
        self._loop: LoopThread | None = None
        self.channel: Channel[int] = Channel(
            MAX_NBYTES, call_soon=self._call_soon, on_empty=on_empty
        )

    def send(self, sizes: list[int], *, after: Callable[[], object] = lambda: None) -> LoopThread:
        async def main() -> None:
            await anyio.to_thread.run_sync(after)
            sender = Sender(self.channel, sizes)
            ended = anyio.Event()
            sender.on_end = ended.set
            sender.send()
            await ended.wait()

        self._loop = LoopThread(main)
        self._loop.start()
        return self._loop

    def _call_soon(self, callback: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon(callback)


def test_items_cross_to_another_thread_in_order_however_often_either_side_waits() -> None:
    hop = Hop()
    sizes = [1 + 37 * i % 60 for i in range(2000)]
    loop = hop.send(sizes)
    assert [hop.channel.receive() for _ in sizes] == list(range(len(sizes)))
    with pytest.raises(EndOfStream):
        hop.channel.receive()
    loop.join()
    assert hop.channel.statistics().send_wait_s > 0


def test_a_receiver_says_so_before_it_waits() -> None:
    hungry = Event()
    hop = Hop(on_empty=hungry.set)
    # The sender does not begin before it heard of the empty channel.
    loop = hop.send([1], after=hungry.wait)
    assert hop.channel.receive() == 0
    loop.join()
    assert hop.channel.statistics().receive_wait_s > 0


def test_a_close_ends_the_wait_of_a_receiver() -> None:
    hungry = Event()
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=at_once, on_empty=hungry.set)
    errors: list[BaseException] = []

    def receive() -> None:
        try:
            channel.receive()
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=receive, name="test-receive")
    thread.start()
    hungry.wait()
    failure = OSError("while it waits")
    channel.close(failure)
    thread.join()
    assert errors == [failure]
