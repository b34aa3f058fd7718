"""Runs the proxy: ``python -m tests.support.faults UPSTREAM_PORT PORT CONTROL_PORT [LOG]``, all on this machine."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from threading import Thread

from tests.support.faults.control import serve_control
from tests.support.faults.exchange import Exchanges
from tests.support.faults.settings import Settings
from tests.support.faults.state import State

_HOST = "127.0.0.1"


def main() -> None:
    upstream, port, control = map(int, sys.argv[1:4])
    state = State(Settings(), Path(sys.argv[4]) if len(sys.argv) > 4 else None)
    listener = socket.create_server((_HOST, port), backlog=512)
    controller = serve_control((_HOST, control), state)
    Thread(target=controller.serve_forever, daemon=True).start()
    while True:
        client, _ = listener.accept()
        exchanges = Exchanges(client, (_HOST, upstream), state)
        Thread(target=exchanges.run, daemon=True).start()


if __name__ == "__main__":
    main()
