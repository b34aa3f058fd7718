"""Owns running one coroutine function over many items, a few at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

__all__ = ["map_ordered"]

T = TypeVar("T")
R = TypeVar("R")


async def map_ordered(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], *, num_tasks: int
) -> list[R]:
    """Return the results in the order of `items`; the first failure ends the rest and is raised as it is.

    `items` is drawn from as tasks become free, so an iterator of large items is never held whole.
    """
    results: dict[int, R] = {}
    failures: list[Exception] = []
    numbered = enumerate(items)

    async def work() -> None:
        for index, item in numbered:
            try:
                results[index] = await function(item)
            except Exception as error:
                # Kept, not raised: a task group would wrap it into an ExceptionGroup.
                failures.append(error)
                group.cancel_scope.cancel()
                return

    async with anyio.create_task_group() as group:
        for _ in range(num_tasks):
            group.start_soon(work)
    if failures:
        raise failures[0]
    return [results[index] for index in range(len(results))]
