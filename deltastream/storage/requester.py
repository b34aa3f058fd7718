"""Owns the way of a request through faults: its turn, its deadlines, its attempts, and the error where they end."""

from __future__ import annotations

import builtins
import errno
import os
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from deltastream.errors import ObjectChangedError, StorageError
from deltastream.storage.connection import Client, Connection
from deltastream.storage.limit import RequestLimiter, Slot
from deltastream.storage.patience import Patience
from deltastream.storage.policy import Attempts, FaultPolicy
from deltastream.storage.received import Received
from deltastream.storage.redact import cause_of
from deltastream.storage.transport import (
    AccessDeniedError,
    Buffer,
    OutOfRangeError,
    TransientError,
    Transport,
)
from deltastream.storage.transports.translate import describe
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
        self._patience = Patience(policy)

    async def read(
        self,
        connection: Connection,
        path: str,
        byte_range: ByteRange | None,
        *,
        object_nbytes: int | None,
        into: memoryview | None = None,
    ) -> Buffer:
        """Return the object's bytes, or those of `byte_range`, exactly as many; if `into` is given, in that memory.

        Raises:
            FileNotFoundError: There is no such object.
            ObjectChangedError: It is not the object that was asked for, or changed on the way.
            StorageError: The store did not give it.
        """
        name = f"{connection.name}/{path}"
        received = Received(name, byte_range, object_nbytes=object_nbytes, memory=into)
        request = self._request(
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
        request = self._request(
            connection, "listing", f"{connection.name}/{folder}/", nbytes=_PAGE_NBYTES
        )
        found: list[ObjectInfo] = []
        num_pages = 1

        async def attempt(transport: Transport, slot: Slot) -> None:
            nonlocal num_pages
            last = found[-1].path if found else after
            pages = transport.list(folder, after=last)
            deadline_s = self._policy.attempt_s(_PAGE_NBYTES)
            try:
                with request.scope(deadline_s) as scope:
                    async for page in pages:
                        # Not every store can leave out what is known.
                        found.extend(info for info in page if info.path > last)
                        num_pages += 1
                        request.attempts.progressed(anyio.current_time())
                        request.attempts.expects(num_pages * _PAGE_NBYTES)
                        scope.deadline = anyio.current_time() + deadline_s
            finally:
                await pages.aclose()  # type: ignore[attr-defined]
            request.check(scope)

        await request.run(attempt)
        return sorted(found, key=lambda info: info.path)

    async def info(self, connection: Connection, path: str) -> ObjectInfo:
        """Return size and modification time of an object."""
        request = self._request(connection, "asking about", f"{connection.name}/{path}", nbytes=0)

        async def attempt(transport: Transport, slot: Slot) -> ObjectInfo:
            with request.scope(self._policy.attempt_s(0)):
                return await transport.info(path)
            raise request.timed_out()

        return await request.run(attempt)

    def _request(self, connection: Connection, doing: str, name: str, *, nbytes: int) -> _Request:
        return _Request(
            self._policy, self._limiter, self._chance, connection, doing, name, nbytes=nbytes
        )

    async def _receive(
        self, transport: Transport, path: str, received: Received, request: _Request, slot: Slot
    ) -> None:
        """Take what one answer brings of what is missing."""
        if received.nbytes and received.is_complete:
            return
        rest = received.rest()
        began_s = last_s = anyio.current_time()
        longest_s = 0.0
        stall_s = self._policy.attempt_s(received.missing_nbytes or 0)
        if transport.is_streaming:
            stall_s = self._patience.stall_s(request.attempts.num_fruitless)
        with request.scope(stall_s) as scope:
            async with transport.open(path, rest) as response:
                received.check(response)
                # Where nothing tells the size, the time that there is grows with what comes.
                nbytes = received.missing_nbytes or 0
                request.attempts.expects(received.nbytes + nbytes)
                while not received.is_complete:
                    data = await response.read_some()
                    if not data:
                        break
                    received.add(data)
                    slot.nbytes += len(data)
                    now_s = anyio.current_time()
                    longest_s, last_s = max(longest_s, now_s - last_s), now_s
                    request.attempts.progressed(now_s)
                    request.attempts.expects(received.nbytes)
                    nbytes = max(nbytes, received.nbytes)
                    ends_s = began_s + self._policy.attempt_s(nbytes)
                    scope.deadline = min(now_s + stall_s, ends_s, request.attempts.gives_up_s())
            received.end()
            if not received.is_complete:
                # Some clients do not tell a short object from a body that was cut.
                received.check_object_nbytes((await transport.info(path)).nbytes)
        silent_s = anyio.current_time() - last_s
        if received.is_complete or scope.cancelled_caught:
            self._patience.waited(max(longest_s, silent_s))
        if scope.cancelled_caught:
            request.attempts.stalled(silent_s)
        request.check(scope)
        if not received.is_complete:
            raise TransientError(f"the body ended {received.missing_nbytes} bytes too early")


class _Request:
    """One thing that is asked for until it comes."""

    def __init__(
        self,
        policy: FaultPolicy,
        limiter: RequestLimiter,
        chance: Callable[[], float],
        connection: Connection,
        doing: str,
        name: str,
        *,
        nbytes: int,
    ) -> None:
        self._policy = policy
        self._limiter = limiter
        self._chance = chance
        self._connection = connection
        self._doing = doing
        self._name = name
        self._nbytes = nbytes
        self.attempts = Attempts(policy, nbytes=nbytes, now_s=anyio.current_time())

    def scope(self, timeout_s: float) -> anyio.CancelScope:
        """Return what breaks an attempt off that takes longer, or the request's end."""
        deadline = min(anyio.current_time() + timeout_s, self.attempts.gives_up_s())
        return anyio.CancelScope(deadline=deadline)

    def check(self, scope: anyio.CancelScope) -> None:
        if scope.cancelled_caught:
            raise self.timed_out()

    def timed_out(self) -> TransientError:
        return _NoAnswerError("the store did not answer in time")

    async def run(self, attempt: Callable[[Transport, Slot], Awaitable[T]]) -> T:
        """Return what `attempt` does, after as many as the policy allows."""
        refused: Client | None = None
        while True:
            client = None
            try:
                async with self._limiter.slot(is_retry=self.attempts.number > 0) as slot:
                    # Waiting for a turn is no fault of the store's.
                    self.attempts.waited(slot.wait_s)
                    self.attempts.begin()
                    asks_s = anyio.current_time()
                    async with self._connection.client(refused=refused) as client:
                        # Nor is waiting for credentials.
                        self.attempts.waited(anyio.current_time() - asks_s)
                        result = await self._attempt(attempt, client.transport, slot)
                    slot.has_succeeded = True
                    return result
            except TransientError as error:
                wait_s = self.attempts.wait_s(
                    error, now_s=anyio.current_time(), chance=self._chance()
                )
                if wait_s is None:
                    raise self._failed(error) from cause_of(error)
                await anyio.sleep(wait_s)
            except AccessDeniedError as error:
                if refused is not None or client is None:
                    raise self._failed(error) from cause_of(error)
                refused = client
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    errno.ENOENT, os.strerror(errno.ENOENT), self._name
                ) from cause_of(error)
            except OutOfRangeError as error:
                raise ObjectChangedError(
                    f"{self._name} ends before what was asked for ({self._doing} it): {error}"
                ) from cause_of(error)
            except StorageError:
                raise
            except OSError as error:
                raise self._failed(error) from cause_of(error)

    @staticmethod
    async def _attempt(
        attempt: Callable[[Transport, Slot], Awaitable[T]], transport: Transport, slot: Slot
    ) -> T:
        try:
            return await attempt(transport, slot)
        except TransientError as error:
            slot.was_overloaded = isinstance(error, _NoAnswerError) or error.status in _OVERLOADED
            raise

    def _failed(self, error: OSError) -> StorageError:
        number = self.attempts.number
        elapsed_s = anyio.current_time() - self.attempts.started_s
        cause = str(error) or describe(error)
        asked_s = error.retry_after_s if isinstance(error, TransientError) else None
        if asked_s is not None and anyio.current_time() + asked_s >= self.attempts.gives_up_s():
            most_s = self._policy.give_up_s
            cause += f"; the store asks to wait {asked_s:.0f} s, and {most_s:g} s without a byte are the most"
        failed = StorageError(
            f"{self._doing} {self._name} failed after {number} attempt{'s' if number > 1 else ''} "
            f"in {elapsed_s:.1f} s: {cause}"
        )
        failed.filename = self._name
        return failed


class _NoAnswerError(TransientError):
    """A deadline passed."""
