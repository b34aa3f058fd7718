"""Owns one side of the proxy: a socket that heads are read from, and bodies are moved from to another."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
from collections.abc import Callable

__all__ = ["Ended", "Peer", "Pipe"]

_PIPE_NBYTES = 1 << 20
_RECEIVE_NBYTES = 64 << 10
_MAX_HEAD_NBYTES = 1 << 20


class Ended(Exception):  # noqa: N818
    """The other side closed the connection, or was made to."""


class Pipe:
    """What bodies go through inside the kernel, from socket to socket."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, _PIPE_NBYTES)

    def close(self) -> None:
        os.close(self.read_end)
        os.close(self.write_end)


class Peer:
    """A blocking connection; what was received and not yet asked for is kept in front of it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self._kept = b""

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def read_until(self, end: bytes) -> bytes:
        """Return everything up to and with `end`; raise `Ended` where the connection ends before that."""
        while (found := self._kept.find(end)) < 0:
            if len(self._kept) > _MAX_HEAD_NBYTES:
                raise Ended
            received = self.connection.recv(_RECEIVE_NBYTES)
            if not received:
                raise Ended
            self._kept += received
        stop = found + len(end)
        data, self._kept = self._kept[:stop], self._kept[stop:]
        return data

    def receive(self) -> bytes:
        """Return what there is next; nothing at the end of the connection."""
        data, self._kept = self._kept, b""
        return data or self.connection.recv(_RECEIVE_NBYTES)

    def read_byte(self) -> int:
        data = self.receive()
        if not data:
            raise Ended
        self._kept = data[1:]
        return data[0]

    def move(self, target: Peer, nbytes: int, pipe: Pipe, take: Callable[[int], int]) -> None:
        """Send the next `nbytes` bytes to `target`, as many at once as `take` allows."""
        while nbytes:
            allowed = take(nbytes)
            nbytes -= allowed
            while allowed:
                if self._kept:
                    moved = min(allowed, len(self._kept))
                    target.send(self._kept[:moved])
                    self._kept = self._kept[moved:]
                else:
                    moved = self._splice(target, allowed, pipe)
                allowed -= moved

    def _splice(self, target: Peer, nbytes: int, pipe: Pipe) -> int:
        received = os.splice(self.connection.fileno(), pipe.write_end, nbytes)
        if not received:
            raise Ended
        left = received
        while left:
            left -= os.splice(pipe.read_end, target.connection.fileno(), left)
        return received

    def is_open(self) -> bool:
        """Whether nothing came since the last answer: neither an end nor what nobody asked for."""
        return not self._kept and not select.select([self.connection], [], [], 0)[0]

    def wait_end(self) -> None:
        """Wait until the other side closes the connection; what it sends before that is dropped."""
        while self.receive():
            pass

    def reset(self) -> None:
        """Close the connection so that the other side sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def close(self) -> None:
        self.connection.close()
