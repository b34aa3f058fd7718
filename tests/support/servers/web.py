"""Owns a web server: aiohttp's own for files, with ranges, ETags and index pages, as a program of this module.

python -m tests.support.servers.web FOLDER PORT
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from tests.support.servers.process import HOST, ServerProcess, answers_http, free_ports
from tests.support.servers.store import ObjectStore

__all__ = ["WebStore", "serve_web"]

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class WebStore(ObjectStore):
    """A folder of this machine that a server shows."""

    folder: Path = Path()

    def via(self, port: int) -> WebStore:
        return replace(self, bucket=f"{HOST}:{port}", endpoint=f"http://{HOST}:{port}")

    def _put(self, folder: Path, path: str) -> None:
        shutil.copytree(folder, self.folder / path)


@contextmanager
def serve_web(folder: Path) -> Iterator[WebStore]:
    """Run a server that shows `folder`/data."""
    (port,) = free_ports(1)
    data = folder / "data"
    data.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.support.servers.web", data, str(port)]
    host = f"{HOST}:{port}"
    store = WebStore("web", "http", host, f"http://{host}", {}, {}, folder=data)
    with ServerProcess(command, folder / "web.log", {"PYTHONPATH": str(_ROOT)}) as server:
        server.wait_ready(lambda: answers_http(port))
        yield store


def main() -> None:
    folder, port = sys.argv[1:]
    app = web.Application()
    app.router.add_static("/", folder, show_index=True)
    web.run_app(app, host=HOST, port=int(port), access_log=None)


if __name__ == "__main__":
    main()
