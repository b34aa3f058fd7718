"""Owns the client of one store: made when it is first needed, and made anew when its credentials were refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from deltastream.storage.transport import Transport

__all__ = ["Connection"]


class Connection:
    """One store. Its transport is opened by the first request, and replaced where `renew` is asked for."""

    def __init__(self, name: str, open_transport: Callable[[bool], Awaitable[Transport]]) -> None:
        """`name` stands before a key in messages; `open_transport(True)` must not use the credentials it has."""
        self.name = name
        self._open = open_transport
        self._lock = anyio.Lock()
        self._transport: Transport | None = None
        # Requests may still be under way on those that were replaced.
        self._replaced: list[Transport] = []

    def __repr__(self) -> str:
        return f"<Connection {self.name} by {self._transport!r}>"

    async def transport(self) -> Transport:
        """Return the client, the same one as a rule."""
        if self._transport is None:
            async with self._lock:
                if self._transport is None:
                    self._transport = await self._open(False)
        return self._transport

    async def renew(self, refused: Transport) -> None:
        """Get other credentials than those of `refused`, unless somebody has."""
        async with self._lock:
            if self._transport is refused:
                self._transport = await self._open(True)
                self._replaced.append(refused)

    async def aclose(self) -> None:
        """Close every client; one that fails does not keep the others open."""
        transports = [*self._replaced, *([self._transport] if self._transport else [])]
        self._replaced, self._transport = [], None
        async with anyio.create_task_group() as tasks:
            for transport in transports:
                tasks.start_soon(transport.aclose)
