"""Lets the tasks of a loop go as far as they can, without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from anyio.lowlevel import checkpoint

__all__ = ["call_soon", "settle"]

_ROUNDS = 12
"""More turns of the loop than any chain of wake-ups in the engine takes."""


async def settle() -> None:
    """Return once every other task waits for something that only the caller can do."""
    for _ in range(_ROUNDS):
        await checkpoint()


def call_soon(callback: Callable[[], object]) -> None:
    """Run `callback` on the running loop soon, as `LoopThread.call_soon` does from outside."""
    asyncio.get_running_loop().call_soon_threadsafe(callback)
