"""Owns the ways to a table: which store it is in, and through which transport it is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support.servers.store import ObjectStore

__all__ = ["ACCESSES", "REMOTE_ACCESSES", "Access"]

ACCESSES = (
    "local",
    "memory-fsspec",
    "s3-fsspec",
    "azure-fsspec",
    "gcs-fsspec",
    "web-fsspec",
)
"""What is read: the local disk, fsspec's memory, and each store on a server through each transport that reads it."""

REMOTE_ACCESSES = ACCESSES[2:]
"""Those that other processes can read, too, and a proxy."""


@dataclass(frozen=True, slots=True)
class Access:
    """One store through one transport; no store: the local disk."""

    store: ObjectStore | None
    transport: str = "auto"

    def put(self, folder: Path) -> str:
        """Copy a table there and return where it is; the same folder goes to the same place."""
        if self.store is None:
            return str(folder)
        name = hashlib.sha256(bytes(folder)).hexdigest()[:12]
        return self.store.upload(folder, f"{name}/{folder.name}")

    def via(self, port: int) -> Access:
        """The same through a proxy that listens on `port`."""
        assert self.store is not None
        return replace(self, store=self.store.via(port))

    @property
    def options(self) -> dict[str, Any]:
        """What the public functions are given beside the URI."""
        if self.store is None:
            return {}
        return {"storage_options": dict(self.store.storage_options), "transport": self.transport}
