"""Owns what a test knows of a running object store: where it is, how one gets in, and how files get there."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec

from tests.support.servers.process import HOST

__all__ = ["ObjectStore"]


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """One bucket or container of a server, as its clients see it: directly, or through a proxy."""

    name: str
    """"s3", "azure", "gcs", "web" or "memory"."""
    scheme: str
    bucket: str
    endpoint: str
    storage_options: Mapping[str, str] = field(repr=False)
    """Under deltalake's names; the endpoint is among them."""
    fsspec_options: Mapping[str, Any] = field(repr=False)
    """Arguments of fsspec's file system; the endpoint is among them."""
    _uploaded: set[tuple[Path, str]] = field(default_factory=set, repr=False, compare=False)

    def uri(self, path: str) -> str:
        """The URI of an object or a table of the bucket."""
        return f"{self.scheme}://{self.bucket}/{path}"

    def via(self, port: int) -> ObjectStore:
        """The same store through a proxy that listens on `port`."""
        here, there = f"{HOST}:{self.port}", f"{HOST}:{port}"
        return replace(
            self,
            endpoint=self.endpoint.replace(here, there),
            storage_options=_moved(self.storage_options, here, there),
            fsspec_options=_moved(self.fsspec_options, here, there),
        )

    @property
    def port(self) -> int:
        port = urlsplit(self.endpoint).port
        assert port is not None
        return port

    def filesystem(self) -> Any:
        """A new client of fsspec's, synchronous, that caches no listing."""
        return fsspec.filesystem(
            self.scheme, use_listings_cache=False, skip_instance_cache=True, **self.fsspec_options
        )

    def upload(self, folder: Path, path: str) -> str:
        """Copy a folder, a table for example, to `path` and return its URI; what was copied is not copied again."""
        if (folder, path) not in self._uploaded:
            self._put(folder, path)
            self._uploaded.add((folder, path))
        return self.uri(path)

    def _put(self, folder: Path, path: str) -> None:
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        keys = [f"{self.bucket}/{path}/{file.relative_to(folder).as_posix()}" for file in files]
        with warnings.catch_warnings():
            # aiohttp warns of every body over a megabyte, and gcsfs sends them so.
            warnings.filterwarnings("ignore", "Sending a large body", ResourceWarning)
            self.filesystem().put([str(file) for file in files], keys)


def _moved(options: Mapping[str, Any], here: str, there: str) -> dict[str, Any]:
    return {
        key: value.replace(here, there) if isinstance(value, str) else value
        for key, value in options.items()
    }
