from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.engine.slots import OrderedSlots
from tests.support.loops import settle


async def receive_all(slots: OrderedSlots[int], received: list[int | str]) -> None:
    while True:
        try:
            value = await slots.receive()
        except LookupError as error:
            received.append(f"failed: {error.args[0]}")
            continue
        if value is None:
            break
        received.append(value)


@given(st.permutations(range(8)), st.integers(0, 8), st.sets(st.integers(0, 7)))
async def test_results_leave_in_the_order_of_their_places_whatever_ends_first(
    completion: list[int], num_reserved_late: int, failing: set[int]
) -> None:
    slots: OrderedSlots[int] = OrderedSlots()
    received: list[int | str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive_all, slots, received)
        places = [slots.reserve() for _ in range(8 - num_reserved_late)]
        await settle()
        places += [slots.reserve() for _ in range(num_reserved_late)]
        slots.close()
        done: set[int] = set()
        for index in completion:
            if index in failing:
                places[index].fail(LookupError(index))
            else:
                places[index].set(index)
            done.add(index)
            await settle()
            # Nothing is held back that is due, a failure is raised at its place and not before.
            due = next((i for i in range(8) if i not in done), 8)
            assert received == [f"failed: {i}" if i in failing else i for i in range(due)]


async def test_closed_slots_end_after_the_last_result_every_time() -> None:
    slots: OrderedSlots[str] = OrderedSlots()
    slots.reserve().set("only")
    slots.close()
    assert repr(slots) == "<OrderedSlots closed, 1 waiting>"
    assert await slots.receive() == "only"
    assert await slots.receive() is None
    assert await slots.receive() is None


async def test_a_close_wakes_a_receiver_that_waits_for_a_place() -> None:
    slots: OrderedSlots[str] = OrderedSlots()
    results: list[str | None] = []

    async def receive() -> None:
        results.append(await slots.receive())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        await settle()
        assert results == []
        slots.close()
    assert results == [None]


async def test_a_failure_is_raised_as_it_is() -> None:
    slots: OrderedSlots[str] = OrderedSlots()
    error = LookupError("row group 3")
    slots.reserve().fail(error)
    with pytest.raises(LookupError) as caught:
        await slots.receive()
    assert caught.value is error
