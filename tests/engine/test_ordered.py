from __future__ import annotations

import anyio
import pytest

from deltastream.engine.ordered import map_ordered


async def test_results_come_in_the_order_of_the_items_whatever_ends_first() -> None:
    gates = [anyio.Event() for _ in range(4)]

    async def work(index: int) -> int:
        # Each waits for the one after it.
        if index + 1 < len(gates):
            await gates[index + 1].wait()
        gates[index].set()
        return index

    assert await map_ordered(work, range(4), num_tasks=4) == [0, 1, 2, 3]


async def test_a_failure_is_raised_as_it_is_and_ends_the_others() -> None:
    async def work(index: int) -> None:
        if index == 1:
            raise KeyError(index)
        await anyio.sleep_forever()

    with pytest.raises(KeyError):
        await map_ordered(work, range(3), num_tasks=3)


async def test_items_are_drawn_only_as_tasks_become_free() -> None:
    drawn = 0
    seen: list[int] = []

    def items() -> object:
        nonlocal drawn
        for index in range(6):
            drawn += 1
            yield index

    async def work(index: int) -> None:
        seen.append(drawn)
        await anyio.lowlevel.checkpoint()

    await map_ordered(work, items(), num_tasks=2)  # type: ignore[arg-type]
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_nothing_to_do_gives_nothing() -> None:
    async def work(index: int) -> int:
        return index

    assert await map_ordered(work, [], num_tasks=0) == []
