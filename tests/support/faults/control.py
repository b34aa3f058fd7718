"""Owns the way in while the proxy runs: ``PUT /settings``, ``PUT /expire``, ``GET`` and ``DELETE /statistics``."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.faults.settings import Settings
from tests.support.faults.state import State

__all__ = ["serve_control"]


def serve_control(address: tuple[str, int], state: State) -> ThreadingHTTPServer:
    """Return a server, not started, that reads and changes `state`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(state.counters.statistics().to_json())

        def do_DELETE(self) -> None:
            state.counters.reset()
            self._answer("")

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/settings":
                state.set(Settings.from_json(body))
            else:
                state.expire(json.loads(body))
            self._answer("")

        def _answer(self, text: str) -> None:
            data = text.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return ThreadingHTTPServer(address, Handler)
