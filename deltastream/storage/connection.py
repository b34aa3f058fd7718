"""Owns the client of one store: made when it is first needed, and anew when its credentials end or were refused."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from deltastream.storage.transport import Transport

__all__ = ["Client", "Connection"]

_MARGIN_S = 60.0
_MARGIN = 0.2
"""How long before credentials end others are asked for: a minute, or a fifth of the time that they last."""


@dataclass(slots=True, eq=False)
class Client:
    """A transport, and how long its credentials last."""

    transport: Transport
    ends_s: float = float("inf")
    """By `time.time`."""
    renews_s: float = float("inf")
    """From when on another one is made."""
    num_users: int = 0

    @classmethod
    def of(cls, transport: Transport, ends_s: float) -> Client:
        """Return the client of credentials that were given just now."""
        margin_s = min(_MARGIN_S, _MARGIN * (ends_s - time.time()))
        return cls(transport, ends_s, ends_s - max(margin_s, 0.0))


class Connection:
    """One store. Its client is made by the first request; another one takes its place before its credentials end.

    A client that was replaced is closed when the last request that it serves has ended.
    """

    def __init__(self, name: str, open_client: Callable[[], Awaitable[Client]]) -> None:
        """`name` stands before a key in messages; `open_client` must not use credentials that it has got before."""
        self.name = name
        self._open = open_client
        self._lock = anyio.Lock()
        self._client: Client | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.name} by {self._client and self._client.transport!r}>"

    @asynccontextmanager
    async def client(self, *, refused: Client | None = None) -> AsyncIterator[Client]:
        """Give the client for a request, another one than `refused`."""
        client = await self._current(refused)
        client.num_users += 1
        try:
            yield client
        finally:
            client.num_users -= 1
            if client is not self._client:
                await _close_unused(client)

    async def aclose(self) -> None:
        """Close the client."""
        client, self._client = self._client, None
        if client is not None:
            await client.transport.aclose()

    async def _current(self, refused: Client | None) -> Client:
        client = self._client
        if client is not None and client is not refused:
            now_s = time.time()
            # While one request asks for others the rest go on with those that still last.
            if now_s < client.renews_s or (now_s < client.ends_s and self._lock.locked()):
                return client
        async with self._lock:
            if self._client is client or self._client is None:
                self._client = await self._open_after(client, refused)
                if client is not None and client is not self._client:
                    await _close_unused(client)
            return self._client

    async def _open_after(self, client: Client | None, refused: Client | None) -> Client:
        try:
            return await self._open()
        except OSError:
            now_s = time.time()
            if client is None or client is refused or now_s >= client.ends_s:
                raise
            # There is some time yet: what failed may pass.
            client.renews_s = (now_s + client.ends_s) / 2
            return client


async def _close_unused(client: Client) -> None:
    if not client.num_users:
        with anyio.CancelScope(shield=True):
            await client.transport.aclose()
