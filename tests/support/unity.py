"""Owns a small Unity Catalog: a real HTTP server that knows one table, and vends what a callback gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deltastream.storage.store import Credentials

__all__ = ["TOKEN", "Catalog", "serve_catalog"]

TOKEN = "dapi-token-of-the-catalog"
NAME = "main.sales.orders"
_API = "/api/2.1/unity-catalog/"


@dataclass
class Catalog:
    """What the server answers, and what it was asked."""

    location: str
    """``storage_location`` of the table ``main.sales.orders``"""
    vend: Callable[[], Credentials] | None = None
    failures: list[int] = field(default_factory=list)
    """Statuses of the next answers."""
    asked: list[str] = field(default_factory=list)
    host: str = ""

    @property
    def storage_options(self) -> dict[str, str]:
        return {"databricks_host": self.host, "databricks_token": TOKEN}

    def answer(
        self, method: str, path: str, token: str, body: Mapping[str, Any]
    ) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if self.failures:
            return self.failures.pop(0), {"message": "not now"}
        if token != f"Bearer {TOKEN}":
            return 403, {"error_code": "PERMISSION_DENIED", "message": "no such token"}
        if path == f"{_API}tables/{NAME}":
            return 200, {
                "name": "orders",
                "table_id": "id-1",
                "data_source_format": "DELTA",
                "storage_location": self.location,
            }
        if path == f"{_API}temporary-table-credentials" and body.get("table_id") == "id-1":
            return 200, self._vended(body)
        return 404, {"error_code": "TABLE_DOES_NOT_EXIST", "message": f"{path} does not exist"}

    def _vended(self, body: Mapping[str, Any]) -> dict[str, Any]:
        assert body["operation"] == "READ"
        assert self.vend is not None
        given = self.vend()
        ends_ms = None if given.expires_at is None else given.expires_at.timestamp() * 1000
        options = given.options
        if "azure_storage_sas_token" in options:
            part = {"azure_user_delegation_sas": {"sas_token": options["azure_storage_sas_token"]}}
        elif "google_bearer_token" in options:
            part = {"gcp_oauth_token": {"oauth_token": options["google_bearer_token"]}}
        else:
            part = {
                "aws_temp_credentials": {
                    "access_key_id": options["aws_access_key_id"],
                    "secret_access_key": options["aws_secret_access_key"],
                    "session_token": options.get("aws_session_token"),
                }
            }
        return {**part, "expiration_time": ends_ms}


@contextmanager
def serve_catalog(catalog: Catalog) -> Iterator[Catalog]:
    """Answer for `catalog` on a port of its own, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *arguments: object) -> None:
            pass

        def _answer(self, body: Mapping[str, Any]) -> None:
            token = self.headers.get("Authorization", "")
            status, document = catalog.answer(self.command, self.path, token, body)
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        catalog.host = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield catalog
        finally:
            server.shutdown()
            thread.join()
