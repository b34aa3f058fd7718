"""Owns a proxy as tests and measurements have it: a process in front of a server, told what to do as it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.support.faults.settings import Settings
from tests.support.faults.statistics import Statistics
from tests.support.servers.process import HOST, ServerProcess, answers_http, free_ports

__all__ = ["FaultProxy", "run_proxy"]

_ROOT = Path(__file__).parents[3]


class FaultProxy:
    """A running proxy; without settings it passes everything on."""

    def __init__(self, port: int, control_port: int) -> None:
        self.port = port
        self._control_port = control_port

    def set(self, settings: Settings) -> None:
        """Take other settings, and start counting anew."""
        self._control("PUT", "/settings", settings.to_json())
        self._control("DELETE", "/statistics")

    def expire(self, ends: Mapping[str, float]) -> None:
        """Refuse each access key with ExpiredToken from its time on, in seconds since 1970."""
        self._control("PUT", "/expire", json.dumps(ends))

    def statistics(self) -> Statistics:
        return Statistics.from_json(self._control("GET", "/statistics"))

    def _control(self, method: str, path: str, body: str = "") -> bytes:
        connection = HTTPConnection(HOST, self._control_port, timeout=10)
        try:
            connection.request(method, path, body)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def run_proxy(upstream_port: int, folder: Path, *, with_log: bool = False) -> Iterator[FaultProxy]:
    """Run a proxy in front of what listens on `upstream_port`; its output goes to `folder`, and its log of requests."""
    port, control = free_ports(2)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.support.faults", upstream_port, port, control]
    if with_log:
        command.append(folder / "requests.jsonl")
    environment = {"PYTHONPATH": str(_ROOT)}
    with ServerProcess(list(map(str, command)), folder / "proxy.log", environment) as server:
        server.wait_ready(lambda: answers_http(control, "/statistics"))
        yield FaultProxy(port, control)
