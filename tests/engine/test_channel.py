from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.engine.channel import Channel, EndOfStream
from deltastream.engine.loop import LoopThread
from tests.support.loops import call_soon, settle

MAX_NBYTES = 50


async def send_all(channel: Channel[int], sizes: list[int]) -> None:
    for index, nbytes in enumerate(sizes):
        await channel.send(index, nbytes)
    channel.close()


@given(st.lists(st.integers(0, 80), max_size=15), st.lists(st.integers(0, 3), max_size=10))
async def test_the_queue_keeps_within_its_bytes_and_a_larger_item_passes_alone(
    sizes: list[int], num_received: list[int]
) -> None:
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=call_soon)
    received = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_all, channel, sizes)
        for number in [0, *num_received, *[1] * len(sizes)]:
            await settle()
            queued: list[int] = []
            for nbytes in sizes[received:]:
                if queued and sum(queued) and sum(queued) + nbytes > MAX_NBYTES:
                    break
                queued.append(nbytes)
            # Exactly as many as fit: neither more, nor one held back that has room.
            state = "closed" if received + len(queued) == len(sizes) else "open"
            num_entries = len(queued) + (state == "closed")
            expected = f"{state}, {num_entries} items, {sum(queued)} of {MAX_NBYTES} bytes"
            assert repr(channel) == f"<Channel {expected}>"
            for _ in range(min(number, len(queued))):
                assert channel.receive() == received
                received += 1
    assert received == len(sizes)
    with pytest.raises(EndOfStream):
        channel.receive()
    statistics = channel.statistics()
    assert (statistics.num_items, statistics.nbytes) == (len(sizes), sum(sizes))


@pytest.mark.parametrize("num_items", [0, 3])
async def test_a_failure_is_raised_after_the_items_before_it_and_never_looks_like_the_end(
    num_items: int,
) -> None:
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=call_soon)
    for index in range(num_items):
        await channel.send(index, 1)
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


async def test_an_end_is_an_end_every_time() -> None:
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=call_soon)
    channel.close()
    channel.close(OSError("too late"))
    for _ in range(3):
        with pytest.raises(EndOfStream):
            channel.receive()


async def test_a_cancelled_send_leaves_its_item_out() -> None:
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=call_soon)
    await channel.send(0, MAX_NBYTES)
    with anyio.move_on_after(0) as scope:
        await channel.send(1, 1)
    assert scope.cancelled_caught
    channel.close()
    assert channel.receive() == 0
    with pytest.raises(EndOfStream):
        channel.receive()


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
            await send_all(self.channel, sizes)

        self._loop = LoopThread(main)
        return self._loop

    def _call_soon(self, callback: Callable[[], object]) -> None:
        if self._loop is not None:
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
    channel: Channel[int] = Channel(MAX_NBYTES, call_soon=lambda f: None, on_empty=hungry.set)
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
