"""Owns the background thread that runs the event loop of one consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import Event, Thread, current_thread
from typing import TypeVar

import anyio

__all__ = ["LoopThread", "run_in_loop"]

T = TypeVar("T")


class LoopThread:
    """Runs one coroutine function to its end on an event loop in a daemon thread.

    `main` handles its own errors; one that escapes it is kept and raised by `join()`.
    """

    def __init__(
        self, main: Callable[[], Awaitable[None]], *, name: str = "deltastream-loop"
    ) -> None:
        """Make the thread; it runs from `start()` on."""
        self._main: Callable[[], Awaitable[None]] | None = main
        self._error: BaseException | None = None
        self._started = Event()
        self._ended = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scope: anyio.CancelScope | None = None
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread and wait until its loop runs."""
        try:
            self._thread.start()
        except BaseException:
            self._ended.set()
            raise
        self._started.wait()

    def __repr__(self) -> str:
        return f"<LoopThread {'running' if self._thread.is_alive() else 'ended'}>"

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run `callback` on the loop soon; does nothing once the loop is closed."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            pass  # the loop was closed: nobody is left to tell

    def cancel(self) -> None:
        """Cancel `main` and everything it started; returns at once, from any thread."""
        if self._scope is not None:
            self.call_soon(self._scope.cancel)

    def is_current_thread(self) -> bool:
        """Say whether the caller runs in this thread."""
        return self._thread is current_thread()

    def join(self) -> None:
        """Wait for the thread to end."""
        if not self.is_current_thread():
            # Where Ctrl-C interrupts the thread's own join, Python 3.11 takes it for ended.
            self._ended.wait()
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        try:
            anyio.run(self._scoped)
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()
            self._ended.set()

    async def _scoped(self) -> None:
        main, self._main = self._main, None
        assert main is not None
        with anyio.CancelScope() as self._scope:
            self._loop = asyncio.get_running_loop()
            self._started.set()
            await main()


def run_in_loop(function: Callable[[], Awaitable[T]]) -> T:
    """Block until `function()` has run on a loop of its own, in a thread of its own.

    Works where the calling thread runs a loop itself (notebooks). Ctrl-C cancels the coroutine and waits for its end.
    """
    results: list[T] = []

    async def main() -> None:
        results.append(await function())

    thread = LoopThread(main)
    thread.start()
    try:
        thread.join()
    except BaseException:
        thread.cancel()
        thread.join()
        raise
    return results[0]
