from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.engine.budget import ByteBudget, Charge
from deltastream.engine.loop import LoopThread
from tests.support.loops import call_soon, settle

MAX_NBYTES = 100
SIZES = st.lists(st.integers(1, 150), min_size=1, max_size=12)

Action = tuple[str, int, int]
"""What is done, to which charge (as far round as needed), with how many bytes."""

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["release", "reduce", "arrive", "feed", "starve", "charge"]),
        st.integers(0, 20),
        st.integers(0, 60),
    ),
    max_size=30,
)


@dataclass
class Model:
    """The rules of the budget, in numbers."""

    sizes: list[int]
    used: int = 0
    in_flight: int = 0
    starving: bool = False
    granted: int = 0
    forced: int = 0
    peak: int = 0

    def grant(self) -> None:
        while self.granted < len(self.sizes):
            nbytes = self.sizes[self.granted]
            fits = self.used + nbytes <= MAX_NBYTES
            if not fits and not (self.starving and self.in_flight == 0):
                break
            self.forced += not fits
            self.used += nbytes
            self.in_flight += 1
            self.granted += 1
            self.peak = max(self.peak, self.used)


async def acquire_all(budget: ByteBudget, sizes: list[int], charges: list[Charge]) -> None:
    for nbytes in sizes:
        charge = await budget.acquire(nbytes)
        charges.append(charge)


@given(SIZES, ACTIONS)
async def test_grants_are_made_in_order_as_soon_as_they_fit_and_never_sooner(
    sizes: list[int], actions: list[Action]
) -> None:
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon)
    model = Model(sizes)
    granted: list[Charge] = []
    charged: list[Charge] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acquire_all, budget, sizes, granted)
        await settle()
        model.grant()
        for action, index, nbytes in actions:
            held = [charge for charge in granted + charged if charge.nbytes]
            if action in ("release", "reduce") and held:
                charge = held[index % len(held)]
                given_back = charge.nbytes if action == "release" else min(nbytes, charge.nbytes)
                charge.release() if action == "release" else charge.reduce(nbytes)
                model.used -= given_back
            elif action == "arrive" and model.in_flight:
                budget.arrived()
                model.in_flight -= 1
            elif action == "feed":
                budget.feed()
                model.starving = False
            elif action == "starve":
                budget.starve()
                model.starving = True
            elif action == "charge":
                charged.append(budget.charge(nbytes))
                model.used += nbytes
            await settle()
            model.grant()
            assert len(granted) == model.granted
            assert budget.statistics().num_forced == model.forced
            assert sum(charge.nbytes for charge in granted + charged) == model.used
        tasks.cancel_scope.cancel()
    assert budget.statistics().used_nbytes == model.used


@given(SIZES)
async def test_without_a_starving_consumer_the_budget_is_never_exceeded(sizes: list[int]) -> None:
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon)
    charges: list[Charge] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acquire_all, budget, sizes, charges)
        num_seen = -1
        while len(charges) != num_seen:
            num_seen = len(charges)
            await settle()
            assert budget.statistics().used_nbytes <= MAX_NBYTES
            for charge in charges:
                charge.release()
            await settle()
        tasks.cancel_scope.cancel()
    statistics = budget.statistics()
    # It stops for good only at one that could never fit.
    fitting = next((i for i, nbytes in enumerate(sizes) if nbytes > MAX_NBYTES), len(sizes))
    assert len(charges) == fitting
    assert statistics.peak_nbytes <= MAX_NBYTES
    assert statistics.num_forced == 0


async def test_what_the_consumer_waits_for_is_granted_whole_once_nothing_is_on_its_way() -> None:
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon)
    charges: list[Charge] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acquire_all, budget, [60, 500], charges)
        budget.starve()
        await settle()
        # The first is on its way and may be what the consumer waits for.
        assert len(charges) == 1
        budget.arrived()
        await settle()
    assert [charge.nbytes for charge in charges] == [60, 500]
    statistics = budget.statistics()
    assert statistics.peak_nbytes == 560
    assert statistics.num_forced == 1
    assert statistics.num_waits == 1


async def test_a_delivery_ends_the_starving() -> None:
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon)
    charges: list[Charge] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acquire_all, budget, [60, 60], charges)
        await settle()
        budget.starve()
        budget.feed()
        budget.arrived()
        await settle()
        assert len(charges) == 1
        charges[0].release()
    assert len(charges) == 2


async def test_releasing_twice_gives_back_once() -> None:
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon)
    kept = await budget.acquire(30)
    charge = await budget.acquire(70)
    charge.reduce(20)
    charge.reduce(1000)
    charge.release()
    charge.release()
    await budget.acquire(1)
    assert budget.statistics().used_nbytes == 31
    assert kept.nbytes == 30


async def test_a_cancelled_wait_takes_nothing() -> None:
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon)
    first = await budget.acquire(MAX_NBYTES)
    with anyio.move_on_after(0) as scope:
        await budget.acquire(1)
    assert scope.cancelled_caught
    assert repr(budget) == "<ByteBudget open, 100 of 100 bytes>"
    first.release()
    await budget.acquire(MAX_NBYTES)


def test_bytes_released_in_other_threads_and_by_finalizers_wake_the_loop() -> None:
    class Owner:
        pass

    ready = Event()
    threads: list[Thread] = []

    def start(function: Callable[[], object]) -> None:
        threads.append(Thread(target=function, name="test-release"))
        threads[-1].start()

    async def main() -> None:
        await anyio.to_thread.run_sync(ready.wait)
        for i in range(200):
            charge = await budget.acquire(MAX_NBYTES)
            budget.arrived()
            if i % 2:
                start(charge.release)
            else:
                owners = [Owner()]
                weakref.finalize(owners[0], charge.release)
                # The last reference is dropped in the thread, so the finalizer runs there.
                start(owners.clear)

    budget = ByteBudget(MAX_NBYTES, call_soon=lambda callback: loop.call_soon(callback))
    loop = LoopThread(main)
    loop.start()
    ready.set()
    loop.join()
    for thread in threads:
        thread.join()
    assert budget.statistics().peak_nbytes == MAX_NBYTES
    assert budget.statistics().num_forced == 0


async def test_idle_buffers_make_room_before_a_grant() -> None:
    asked: list[int] = []
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon, trim_idle=asked.append)
    await budget.acquire(30)
    await budget.acquire(50)
    budget.starve()
    budget.arrived()
    budget.arrived()
    await budget.acquire(200)
    assert asked == [70, 20, 0]


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="need max_nbytes >= 1, got 0"):
        ByteBudget(0, call_soon=call_soon)
