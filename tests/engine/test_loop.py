from __future__ import annotations

import signal
import time
from threading import Event, Thread, current_thread, main_thread
from threading import enumerate as threads

import anyio
import pytest

from deltastream.engine.loop import LoopThread, run_in_loop

END_TIMEOUT_S = 1.0


def test_a_result_comes_back_from_a_loop_in_another_thread() -> None:
    async def name() -> str:
        await anyio.lowlevel.checkpoint()
        return current_thread().name

    assert run_in_loop(name) == "deltastream-loop"
    assert run_in_loop(name) != current_thread().name


def test_none_is_a_result() -> None:
    async def nothing() -> None:
        pass

    assert run_in_loop(nothing) is None


@pytest.mark.parametrize("error", [KeyError("column"), SystemExit(3)])
def test_an_exception_is_raised_as_it_is(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        run_in_loop(fail)
    assert caught.value is error


async def test_it_works_while_the_calling_thread_runs_a_loop() -> None:
    async def inner() -> int:
        await anyio.lowlevel.checkpoint()
        return 7

    assert run_in_loop(inner) == 7


def test_a_cancel_ends_everything_within_a_second() -> None:
    began, cleaned = Event(), []

    async def wait_for_ever(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append(number)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait_for_ever, number)
            await anyio.lowlevel.checkpoint()
            began.set()

    loop = LoopThread(main)
    loop.start()
    began.wait()
    assert repr(loop) == "<LoopThread running>"
    start = time.monotonic()
    loop.cancel()
    loop.join()
    assert time.monotonic() - start < END_TIMEOUT_S
    assert sorted(cleaned) == [0, 1, 2]
    assert repr(loop) == "<LoopThread ended>"


def test_a_cancel_before_the_first_step_is_not_lost() -> None:
    for _ in range(50):
        loop = LoopThread(anyio.sleep_forever)
        loop.start()
        loop.cancel()
        loop.join()


def test_an_error_that_escapes_is_raised_once_at_the_join() -> None:
    async def fail() -> None:
        raise LookupError("row group 3")

    loop = LoopThread(fail)
    loop.start()
    with pytest.raises(LookupError, match="row group 3"):
        loop.join()
    loop.join()


def test_calls_to_an_ended_loop_do_nothing() -> None:
    async def nothing() -> None:
        pass

    loop = LoopThread(nothing)
    loop.start()
    loop.join()
    loop.call_soon(pytest.fail)
    loop.cancel()
    loop.join()


def test_callbacks_from_another_thread_run_on_the_loop() -> None:
    async def main() -> None:
        event = anyio.Event()
        events.append(event)
        ready.set()
        await event.wait()

    events: list[anyio.Event] = []
    ready = Event()
    loop = LoopThread(main)
    loop.start()
    ready.wait()
    loop.call_soon(events[0].set)
    loop.join()


def test_the_thread_is_a_daemon_and_can_keep_no_interpreter_alive() -> None:
    loop = LoopThread(anyio.sleep_forever, name="deltastream-test")
    loop.start()
    (thread,) = [thread for thread in threads() if thread.name == "deltastream-test"]
    assert thread.daemon
    loop.cancel()
    loop.join()


def test_a_coroutine_may_join_its_own_thread() -> None:
    async def main() -> None:
        ready.wait()
        # A finalizer can run anywhere, in the loop's own thread too.
        loop.cancel()
        loop.join()
        await anyio.sleep_forever()

    ready = Event()
    loop = LoopThread(main)
    loop.start()
    ready.set()
    loop.join()


def test_an_interrupt_waits_for_the_coroutines_end() -> None:
    began, ended = Event(), Event()

    async def work() -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            time.sleep(0.5)
            ended.set()

    def interrupt() -> None:
        began.wait()
        time.sleep(0.1)
        signal.pthread_kill(main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]

    Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_in_loop(work)
    assert ended.is_set()
