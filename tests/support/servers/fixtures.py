"""The object stores as fixtures: each server starts when a test first asks for it, and ends with the session.

What the servers write is kept with pytest's other temporary folders: ``s3*/``, ``azure*/`` and ``gcs*/``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.servers.access import ACCESSES, REMOTE_ACCESSES, Access
from tests.support.servers.azurite import PROGRAM, serve_azure
from tests.support.servers.fake_gcs import serve_gcs
from tests.support.servers.seaweedfs import serve_s3
from tests.support.servers.store import ObjectStore
from tests.support.servers.web import serve_web

__all__ = [
    "access",
    "azure",
    "gcs",
    "memory",
    "object_store",
    "remote_access",
    "remote_accesses",
    "s3",
    "web",
]


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A bucket of SeaweedFS."""
    with serve_s3(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A container of Azurite."""
    if not PROGRAM.is_file():
        reason = "no Azurite: `make test` installs it where npm's registry can be reached"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with serve_azure(tmp_path_factory.mktemp("azure")) as store:
        yield store


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A bucket of fake-gcs-server."""
    with serve_gcs(tmp_path_factory.mktemp("gcs")) as store:
        yield store


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A folder that a web server shows."""
    with serve_web(tmp_path_factory.mktemp("web")) as store:
        yield store


@pytest.fixture(scope="session", params=["s3", "azure", "gcs"])
def object_store(request: pytest.FixtureRequest) -> ObjectStore:
    """Each of the three in turn."""
    store: ObjectStore = request.getfixturevalue(request.param)
    return store


@pytest.fixture(scope="session")
def memory() -> Iterator[ObjectStore]:
    """What fsspec keeps in the memory of this process."""
    store = ObjectStore("memory", "memory", "tables", "", {}, {})
    yield store
    store.filesystem().rm(f"/{store.bucket}", recursive=True)


@pytest.fixture(scope="session", params=ACCESSES)
def access(request: pytest.FixtureRequest) -> Access:
    """The local disk, memory, and each store through each transport."""
    return _access(request, request.param)


@pytest.fixture(scope="session", params=REMOTE_ACCESSES)
def remote_access(request: pytest.FixtureRequest) -> Access:
    """Each store on a server through each transport."""
    return _access(request, request.param)


@pytest.fixture(scope="session")
def remote_accesses(request: pytest.FixtureRequest) -> dict[str, Access]:
    """All that can be had here by name, for tests that mostly wait, and so do it side by side."""
    found = {}
    for name in REMOTE_ACCESSES:
        # Those that take each in turn say what is not here.
        with suppress(pytest.skip.Exception):
            found[name] = _access(request, name)
    return found


def _access(request: pytest.FixtureRequest, name: str) -> Access:
    store, _, transport = name.partition("-")
    return Access(request.getfixturevalue(store), transport) if transport else Access(None)
