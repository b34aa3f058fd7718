"""Owns one client's connection: requests are read, go to the server or fail, and answers come back or break."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, replace

from tests.support.faults.choice import Choice
from tests.support.faults.head import Head, answer
from tests.support.faults.peer import Ended, Peer, Pipe
from tests.support.faults.settings import Fault
from tests.support.faults.state import State

__all__ = ["Exchanges"]

_CODES = {429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}
_BREAKS = (Fault.RESET, Fault.TRUNCATE, Fault.STALL, Fault.CORRUPT)


@dataclass(slots=True)
class _Count:
    """What is known of one request so far."""

    status: int | None = None
    fault: str | None = None
    received_nbytes: int = 0
    sent_nbytes: int = 0


class Exchanges:
    """The requests of one connection, one after the other, in a thread of their own."""

    def __init__(self, client: socket.socket, upstream: tuple[str, int], state: State) -> None:
        self._client = Peer(client)
        self._address = upstream
        self._server: Peer | None = None
        self._state = state
        self._pipe = Pipe()
        self._current = state.current
        self._pace = self._current.pace()

    def run(self) -> None:
        """Serve until either side ends."""
        self._state.counters.connected()
        try:
            while self._serve(Head.parse(self._client.read_until(b"\r\n\r\n"))):
                pass
        except (Ended, OSError):
            pass  # one side is gone, and so is the other in a moment
        finally:
            self._client.close()
            if self._server is not None:
                self._server.close()
            self._pipe.close()

    def _serve(self, head: Head) -> bool:
        """Whether the connection may be used again."""
        count, started_s = _Count(), time.monotonic()
        self._state.counters.begin()
        if self._current is not self._state.current:
            self._current = self._state.current
            self._pace = self._current.pace()
        choice = self._current.chooser.choose(head.request)
        try:
            time.sleep(choice.latency_s)
            if self._state.has_expired(head.access_key):
                return self._refuse(head, count, "expired", 400, "ExpiredToken", None)
            return self._fail(head, choice, count)
        finally:
            answered = f"{head.method} {count.status or '-'}"
            self._state.counters.end(
                answered, count.fault, count.received_nbytes, count.sent_nbytes
            )
            self._state.log(
                {
                    "request": head.request,
                    "status": count.status,
                    "fault": count.fault,
                    "latency_s": choice.latency_s,
                    "started_s": started_s,
                    "elapsed_s": time.monotonic() - started_s,
                    "sent_nbytes": count.sent_nbytes,
                }
            )

    def _fail(self, head: Head, choice: Choice, count: _Count) -> bool:
        rule = choice.rule
        if rule is None or rule.fault in _BREAKS:
            return self._forward(head, choice, count)
        if rule.fault is Fault.STATUS:
            code = _CODES.get(rule.status, "Error")
            return self._refuse(head, count, rule.name, rule.status, code, rule.retry_after_s)
        count.fault = rule.name
        if rule.fault is Fault.SILENCE:
            self._client.wait_end()
        return False

    def _refuse(
        self,
        head: Head,
        count: _Count,
        fault: str,
        status: int,
        code: str,
        retry_after_s: float | None,
    ) -> bool:
        with_body = head.method != "HEAD"
        count.fault, count.status = fault, status
        self._client.send(answer(status, code, retry_after_s=retry_after_s, with_body=with_body))
        # Where a body would follow, the client is not made to send it.
        return not head.is_chunked and not head.body_nbytes

    def _forward(self, head: Head, choice: Choice, count: _Count) -> bool:
        server = self._connect()
        server.send(head.encode(without="expect"))
        if head.get("expect"):
            self._client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if head.is_chunked:
            count.received_nbytes += self._move_chunks(self._client, server)
        elif head.body_nbytes:
            self._client.move(server, head.body_nbytes, self._pipe, _all)
            count.received_nbytes += head.body_nbytes
        reply = Head.parse(server.read_until(b"\r\n\r\n"))
        count.status = reply.status
        self._client.send(reply.encode())
        if choice.rule is not None and choice.rule.fault is Fault.CORRUPT and not reply.is_inner:
            choice = replace(choice, rule=None)
        if head.method == "HEAD" or reply.status in (204, 304) or reply.body_nbytes == 0:
            return not reply.closes
        if reply.is_chunked:
            self._move_answer_chunks(server, choice, count)
        elif reply.body_nbytes is not None:
            self._move_answer(server, reply.body_nbytes, choice, count)
        else:
            while data := server.receive():
                self._client.send(data)
                count.sent_nbytes += len(data)
            return False
        return not reply.closes and not head.closes

    def _connect(self) -> Peer:
        if self._server is not None and not self._server.is_open():
            self._server.close()
            self._server = None
        if self._server is None:
            self._server = Peer(socket.create_connection(self._address))
        return self._server

    def _move_answer(self, server: Peer, nbytes: int, choice: Choice, count: _Count) -> None:
        """Send a body, or a chunk of one, on to the client; break it where that was chosen."""
        take = self._pace.take
        if choice.rule is not None and count.fault is None:
            count.fault = choice.rule.name
            before = int(nbytes * choice.position)
            server.move(self._client, before, self._pipe, take)
            count.sent_nbytes += before
            self._break(server, choice)
            nbytes -= before + 1
            count.sent_nbytes += 1
        server.move(self._client, nbytes, self._pipe, take)
        count.sent_nbytes += nbytes

    def _break(self, server: Peer, choice: Choice) -> None:
        assert choice.rule is not None
        if choice.rule.fault is Fault.CORRUPT:
            self._client.send(bytes([server.read_byte() ^ choice.flip]))
            return
        if choice.rule.fault is Fault.RESET:
            self._client.reset()
        elif choice.rule.fault is Fault.STALL:
            self._client.wait_end()
        raise Ended

    def _move_answer_chunks(self, server: Peer, choice: Choice, count: _Count) -> None:
        while nbytes := self._move_line(server, self._client):
            self._move_answer(server, nbytes, choice, count)
            self._client.send(server.read_until(b"\r\n"))
        self._move_trailer(server, self._client)

    def _move_chunks(self, source: Peer, target: Peer) -> int:
        moved = 0
        while nbytes := self._move_line(source, target):
            source.move(target, nbytes + 2, self._pipe, _all)
            moved += nbytes
        self._move_trailer(source, target)
        return moved

    @staticmethod
    def _move_line(source: Peer, target: Peer) -> int:
        """Send a chunk's first line on and return the chunk's size."""
        line = source.read_until(b"\r\n")
        target.send(line)
        return int(line.split(b";")[0], 16)

    @staticmethod
    def _move_trailer(source: Peer, target: Peer) -> None:
        while True:
            line = source.read_until(b"\r\n")
            target.send(line)
            if line == b"\r\n":
                return


def _all(nbytes: int) -> int:
    return nbytes
