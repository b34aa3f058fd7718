"""Owns the way of a request through faults: its turn, its deadlines, its attempts, and the error where they end."""

from __future__ import annotations

import builtins
import random
from collections.abc import Callable
from typing import TypeVar

import anyio

from deltastream.storage.connection import Connection
from deltastream.storage.limit import RequestLimiter, Slot
from deltastream.storage.policy import FaultPolicy
from deltastream.storage.received import Received
from deltastream.storage.transport import (
    Buffer,
    Transport,
)
from deltastream.types import ByteRange, ObjectInfo

__all__ = ["Requester"]

T = TypeVar("T")

_OVERLOADED = frozenset({429, 503})

_PAGE_NBYTES = 512 << 10
"""A page of a listing: 1,000 names in XML."""


class Requester:
    """Asks stores until they answer, or `policy` gives up; `limiter` says when."""

    def __init__(
        self,
        policy: FaultPolicy,
        limiter: RequestLimiter,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._limiter = limiter
        self._chance = chance

    async def read(
        self,
        connection: Connection,
        path: str,
        byte_range: ByteRange | None,
        *,
        object_nbytes: int | None,
    ) -> Buffer:
        """Return the object's bytes, or those of `byte_range`, exactly as many.

        Raises:
            FileNotFoundError: There is no such object.
            ObjectChangedError: It is not the object that was asked for, or changed on the way.
            StorageError: The store did not give it.
        """
        name = f"{connection.name}/{path}"
        received = Received(name, byte_range, object_nbytes=object_nbytes)
        request = _Request(
            self,
            connection,
            "reading"
            if byte_range is None
            else f"reading bytes [{byte_range.start}, {byte_range.stop}) of",
            name,
            nbytes=received.missing_nbytes or 0,
        )

        async def attempt(transport: Transport, slot: Slot) -> None:
            await self._receive(transport, path, received, request, slot)

        await request.run(attempt)
        return received.data()

    async def list(
        self, connection: Connection, folder: str, *, after: str
    ) -> builtins.list[ObjectInfo]:
        """Return what `Transport.list` gives, all pages; one that fails is asked for again, not those before it."""
        request = _Request(
            self, connection, "listing", f"{connection.name}/{folder}/", nbytes=_PAGE_NBYTES
        )
        found: list[ObjectInfo] = []

        async def attempt(transport: Transport, slot: Slot) -> None:
            last = found[-1].path if found else after
            pages = transport.list(folder, after=last)
            deadline_s = self._policy.attempt_s(_PAGE_NBYTES)
            try:
                with request.scope(deadline_s) as scope:
                    async for page in pages:
                        # Not every store can leave out what is known.
                        found.extend(info for info in page if info.path > last)
                        request.attempts.progressed(anyio.current_time())
                        scope.deadline = anyio.current_time() + deadline_s
            finally:
                await pages.aclose()  # type: ignore[attr-defined]
            request.check(scope)

        await request.run(attempt)
        return sorted(found, key=lambda info: info.path)

    async def info(self, connection: Connection, path: str) -> ObjectInfo:
        """Return size and modification time of an object."""
        request = _Request(self, connection, "asking about", f"{connection.name}/{path}", nbytes=0)

        async def attempt(transport: Transport, slot: Slot) -> ObjectInfo:
            with request.scope(self._policy.attempt_s(0)) as scope:
                return await transport.info(path)
            raise request.timed_out()

        return await request.run(attempt)
