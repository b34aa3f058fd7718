from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.errors import OptionError
from deltastream.storage import Credentials, Storage, StorageAccess, open_storage


def opened(uri: str | Path, access: StorageAccess | None, *, pool: DecodePool) -> Storage:
    return run_in_loop(partial(open_storage, uri, access, pool=pool))


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(1)
    yield pool
    pool.close()


@pytest.mark.parametrize("name", ["table", "with space", "100%", "a%20b", "a=1:é", "a?b#c"])
def test_a_path_and_its_file_uri_are_one_table(pool: DecodePool, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for given in (str(path), path, path.as_uri(), f"file:{quote(str(path))}"):
        assert opened(given, None, pool=pool).uri == str(path)
    assert opened(f"FILE://{quote(str(path))}/", None, pool=pool).uri == str(path)


def test_a_relative_path_is_taken_from_here(
    pool: DecodePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("table", "./table", "table/", "sub/../table"):
        assert opened(given, None, pool=pool).uri == str(tmp_path / "table")


def test_a_scheme_that_nobody_knows_is_refused_by_its_name(pool: DecodePool) -> None:
    with pytest.raises(OptionError, match="nonsense:// is no protocol"):
        opened("nonsense://bucket/table", None, pool=pool)


@pytest.mark.parametrize(
    "uri", ["s3://bucket/table", "gs://bucket/table", "https://host/table", "memory://x"]
)
def test_a_store_is_not_local(pool: DecodePool, uri: str) -> None:
    storage = opened(uri, None, pool=pool)
    assert storage.uri == uri
    assert storage.local_path("part.parquet") is None


def test_an_empty_path_is_refused(pool: DecodePool) -> None:
    with pytest.raises(OptionError, match="the table's path is empty"):
        opened("", None, pool=pool)


@pytest.mark.parametrize("uri", ["file:", "file://"])
def test_a_file_uri_without_a_path_is_refused(pool: DecodePool, uri: str) -> None:
    with pytest.raises(OptionError, match="the table's path is empty"):
        opened(uri, None, pool=pool)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"transport": "boto"}, "transport must be one of auto, fsspec, obstore, got 'boto'"),
        ({"credentials": {"aws_access_key_id": "a"}}, "credentials must be a callable"),
        ({"cache_nbytes": 0}, "cache_nbytes must be an integer of at least 1, got 0"),
    ],
)
def test_settings_that_cannot_be_are_named(said: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        StorageAccess(**said)


def test_no_repr_shows_a_secret() -> None:
    access = StorageAccess(
        {"aws_secret_access_key": "hidden"}, lambda: Credentials({"a": "hidden"})
    )
    assert "hidden" not in repr(access)
