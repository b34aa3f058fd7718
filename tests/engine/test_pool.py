from __future__ import annotations

import gc
import weakref
from threading import Barrier, Event, current_thread

import anyio
import pytest

from deltastream.engine.pool import DecodePool
from tests.support.loops import settle


async def in_thread(function: object) -> None:
    """Block outside the loop."""
    await anyio.to_thread.run_sync(function)  # type: ignore[arg-type]


async def test_results_and_arguments_cross_and_jobs_run_in_the_pools_threads() -> None:
    pool = DecodePool(2, name="deltastream-test")
    try:
        assert await pool.run(divmod, 17, 5) == (3, 2)
        assert await pool.run(dict, a=1) == {"a": 1}
        assert (await pool.run(lambda: current_thread().name)).startswith("deltastream-test-")
    finally:
        pool.close()


async def test_an_exception_is_raised_where_the_job_is_awaited_even_a_base_exception() -> None:
    class Panic(BaseException):
        pass

    def fail(error: BaseException) -> None:
        raise error

    pool = DecodePool(1)
    try:
        for error in (ValueError("bad page"), Panic("not an Exception")):
            with pytest.raises(type(error)) as caught:
                await pool.run(fail, error)
            assert caught.value is error
        assert await pool.run(int, "7") == 7
    finally:
        pool.close()


async def test_jobs_run_at_once_up_to_the_number_of_threads() -> None:
    pool = DecodePool(3)
    barrier = Barrier(3)
    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                # Each waits until the others run too.
                tasks.start_soon(pool.run, barrier.wait)
    finally:
        pool.close()
    assert not barrier.broken


async def test_jobs_begin_in_the_order_in_which_they_were_given() -> None:
    pool = DecodePool(1)
    begun: list[int] = []
    try:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(pool.run, begun.append, number)
    finally:
        pool.close()
    assert begun == list(range(20))


async def test_a_cancelled_job_that_has_not_begun_is_skipped_and_one_that_runs_is_left_to_end() -> (
    None
):
    pool = DecodePool(1)
    began, gate, ended = Event(), Event(), Event()
    ran: list[str] = []

    def block() -> None:
        began.set()
        gate.wait()
        ended.set()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.run, block)
            await in_thread(began.wait)
            tasks.start_soon(pool.run, ran.append, "queued")
            await settle()
            assert repr(pool) == "<DecodePool open, 1 threads, 1 queued>"
            tasks.cancel_scope.cancel()
        # The tasks are gone, the job is not.
        assert not ended.is_set()
        gate.set()
        await pool.run(ran.append, "later")
        assert ended.is_set()
        assert ran == ["later"]
    finally:
        pool.close()


async def test_close_waits_for_the_job_that_runs_and_drops_those_that_wait() -> None:
    pool = DecodePool(1)
    began = Event()
    ran: list[str] = []

    def run_until_closed() -> None:
        began.set()
        while "open" in repr(pool):
            pass
        ran.append("running")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pool.run, run_until_closed)
        await in_thread(began.wait)
        tasks.start_soon(pool.run, ran.append, "queued")
        await settle()
        await in_thread(pool.close)
        assert ran == ["running"]
        tasks.cancel_scope.cancel()
    pool.close()
    assert ran == ["running"]
    with pytest.raises(RuntimeError, match="the decode pool is closed"):
        await pool.run(int)


async def test_a_job_may_close_its_own_pool() -> None:
    pool = DecodePool(2)
    await pool.run(pool.close)
    pool.close()
    assert repr(pool).startswith("<DecodePool closed, 2 threads")


async def test_a_submitted_job_ends_in_a_call_on_the_loop_that_submitted_it() -> None:
    pool = DecodePool(1)
    done = anyio.Event()
    outcomes: list[tuple[object, object, str]] = []

    def on_done(result: object, error: BaseException | None) -> None:
        outcomes.append((result, error, current_thread().name))
        if len(outcomes) == 2:
            done.set()

    failure = OSError("the disk is gone")

    def fail() -> None:
        raise failure

    try:
        pool.submit(lambda: 7, on_done)
        pool.submit(fail, on_done)
        await done.wait()
    finally:
        pool.close()
    here = current_thread().name
    assert outcomes == [(7, None, here), (None, failure, here)]
    with pytest.raises(RuntimeError, match="the decode pool is closed"):
        pool.submit(int, on_done)


async def test_nothing_keeps_a_result_or_an_argument_alive_after_the_job() -> None:
    class Table:
        pass

    pool = DecodePool(1)
    try:
        argument = Table()
        result = await pool.run(lambda table: [table, Table()], argument)
        dropped = [weakref.ref(argument), weakref.ref(result[1])]
        del argument, result
        # The thread lets go of a job just before it takes the next one.
        await pool.run(int)
        gc.collect()
        assert [reference() for reference in dropped] == [None, None]
    finally:
        pool.close()


async def test_a_failed_job_leaves_no_cycle_that_holds_what_it_read() -> None:
    class Table:
        pass

    def fail() -> None:
        table = Table()
        tables.append(weakref.ref(table))
        raise ValueError("bad page")

    tables: list[weakref.ref[Table]] = []
    pool = DecodePool(1)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ValueError, match="bad page") as caught:
            await pool.run(fail)
        del caught
        await pool.run(int)
        assert tables[0]() is None
    finally:
        gc.enable()
        pool.close()


async def test_finished_and_failed_jobs_and_their_seconds_are_counted() -> None:
    pool = DecodePool(2)
    began, gate = Event(), Event()

    def block() -> None:
        began.set()
        gate.wait()

    try:
        for _ in range(3):
            await pool.run(int)
        with pytest.raises(ValueError, match="invalid literal"):
            await pool.run(int, "x")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.run, block)
            await in_thread(began.wait)
            gate.set()
    finally:
        pool.close()
    statistics = pool.statistics()
    assert (statistics.num_threads, statistics.num_jobs) == (2, 5)
    assert statistics.busy_s > 0


def test_a_job_that_ends_after_its_loop_is_closed_disturbs_nobody() -> None:
    pool = DecodePool(1)
    began, gate = Event(), Event()

    def block() -> None:
        began.set()
        gate.wait()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.run, block)
            await in_thread(began.wait)
            tasks.cancel_scope.cancel()

    anyio.run(main)
    gate.set()
    # An exception in the thread would be a warning, and so an error.
    pool.close()


def test_a_pool_without_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="need at least 1 thread, got 0"):
        DecodePool(0)
