from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from threading import Thread

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
        st.sampled_from(["release", "reduce", "arrive", "deliver", "starve", "charge"]),
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
        charges.append(await budget.acquire(nbytes))


@given(SIZES, ACTIONS)
async def test_grants_are_made_in_order_as_soon_as_they_fit_and_never_sooner(
    sizes: list[int], actions: list[Action]
) -> None:
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon)
    model = Model(sizes)
    charges: list[Charge] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acquire_all, budget, sizes, charges)
        await settle()
        model.grant()
        for action, index, nbytes in actions:
            held = [charge for charge in charges if charge.nbytes]
            if action in ("release", "reduce") and held:
                charge = held[index % len(held)]
                given_back = charge.nbytes if action == "release" else min(nbytes, charge.nbytes)
                charge.release() if action == "release" else charge.reduce(nbytes)
                model.used -= given_back
            elif action in ("arrive", "deliver") and model.in_flight:
                budget.arrived(delivered=action == "deliver")
                model.in_flight -= 1
                model.starving &= action != "deliver"
            elif action == "starve":
                budget.starve()
                model.starving = True
            elif action == "charge":
                charges.append(budget.charge(nbytes))
                model.used += nbytes
            await settle()
            model.grant()
            in_order = [charge for charge in charges if charge.nbytes or charge in held]
            assert len(in_order) <= len(charges)
            assert budget.statistics().num_forced == model.forced
            assert sum(charge.nbytes for charge in charges) == model.used
        tasks.cancel_scope.cancel()
    # A last look adds up what the finalizers and other threads left.
    budget.charge(0)
    with anyio.move_on_after(0):
        await budget.acquire(MAX_NBYTES * 1000)
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
        budget.arrived(delivered=False)
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
        budget.arrived(delivered=True)
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

    num_rounds = 200
    handed_over: list[Charge] = []
    waiting = anyio.Event()

    async def main() -> None:
        nonlocal waiting
        for i in range(num_rounds):
            charge = await budget.acquire(MAX_NBYTES)
            budget.arrived(delivered=True)
            if i % 2:
                thread = Thread(target=charge.release, name="test-release")
                thread.start()
                threads.append(thread)
            else:
                owner = Owner()
                weakref.finalize(owner, charge.release)
                owner.itself = owner  # type: ignore[attr-defined]
                del owner
                thread = Thread(target=gc.collect, name="test-collect")
                thread.start()
                threads.append(thread)

    threads: list[Thread] = []
    loop: list[LoopThread] = []
    budget = ByteBudget(MAX_NBYTES, call_soon=lambda f: loop[0].call_soon(f) if loop else None)
    del handed_over, waiting
    loop.append(LoopThread(main))
    loop[0].join()
    for thread in threads:
        thread.join()
    assert budget.statistics().peak_nbytes == MAX_NBYTES


async def test_idle_buffers_make_room_before_a_grant() -> None:
    asked: list[int] = []
    budget = ByteBudget(MAX_NBYTES, call_soon=call_soon, trim_idle=asked.append)
    await budget.acquire(30)
    await budget.acquire(50)
    budget.starve()
    budget.arrived(delivered=False)
    budget.arrived(delivered=False)
    await budget.acquire(200)
    assert asked == [70, 20, 0]


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="need max_nbytes >= 1, got 0"):
        ByteBudget(0, call_soon=call_soon)
