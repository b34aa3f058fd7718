"""Owns a server as a child process: started with its output in a log, waited for, stopped, reaped."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["GRPC_OFFSET", "HOST", "ServerProcess", "answers_http", "free_ports"]

HOST = "127.0.0.1"
GRPC_OFFSET = 10_000
"""Where SeaweedFS puts the gRPC port of each of its ports."""

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 10.0
_CHECK_EVERY_S = 0.05
_LOG_TAIL_NBYTES = 4000
_GUARD = Path(__file__).with_name("guard.py")


class ServerProcess:
    """A program that runs until `stop`, or until this process ends, in whatever way."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, _GUARD, str(os.getpid()), *map(str, command)],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C in the terminal is pytest's, which stops the servers when it has ended its tests.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self, is_ready: Callable[[], bool]) -> None:
        """Return once `is_ready` says so; RuntimeError, with the log's end, where it ends before or takes long."""
        deadline_s = time.monotonic() + _START_LIMIT_S
        while not is_ready():
            try:
                code = self._process.wait(_CHECK_EVERY_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline_s:
                    continue
                self.stop()
                raise RuntimeError(f"not ready after {_START_LIMIT_S} s: {self._tail()}") from None
            raise RuntimeError(f"ended with {code} before it was ready: {self._tail()}")

    def stop(self) -> None:
        """End it, by force where it takes too long, and reap it."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _tail(self) -> str:
        return self.log.read_bytes()[-_LOG_TAIL_NBYTES:].decode(errors="replace")


def answers_http(port: int, path: str = "/") -> bool:
    """Whether something on `port` answers a GET with anything but a failure of its own."""
    try:
        with socket.create_connection((HOST, port), timeout=5.0) as connection:
            connection.settimeout(5.0)
            request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            status = connection.recv(64).split(b" ")[1:2]
    except OSError:
        return False
    return bool(status) and status[0] < b"500"


def free_ports(count: int) -> list[int]:
    """Draw ports that are free now, each with its gRPC port; below those that the kernel gives to clients."""
    found: list[int] = []
    # Not the seed of the run: two runs beside each other would draw the same ones.
    draw = random.SystemRandom()
    while len(found) < count:
        port = draw.randrange(11_000, 22_000)
        if port not in found and _is_free(port) and _is_free(port + GRPC_OFFSET):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
