"""A table is the same wherever it lies and whatever reads it there: rows, order, position, errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake
import pytest

import deltastream
from deltastream import DeltaDataset, FieldSpec
from tests.support.loaders import batch_ids
from tests.support.samples import SAMPLES, SIZES
from tests.support.servers.access import Access
from tests.support.tables import data_files

CONDITIONS = ["id < 120", "x > 40 AND (id < 60 OR text = '200')", "id > 100000"]


@pytest.fixture(scope="session", params=SAMPLES)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples") / request.param
    SAMPLES[request.param](root)
    return root


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples") / "numbered"
    SAMPLES["numbered"](root)
    return root


def versions(root: Path) -> list[int | None]:
    commits = (root / "_delta_log").glob("*.json")
    return [None, *sorted(int(path.stem) for path in commits if path.stem.isdigit())]


@pytest.mark.one_in(2)
def test_the_latest_version_has_the_rows_and_types_of_the_local_table(
    access: Access, sample: Path
) -> None:
    found = deltastream.read_arrow(access.put(sample), **access.options)
    assert found.equals(deltastream.read_arrow(sample))
    assert found.num_rows


@pytest.mark.one_in(7)
def test_every_version_has_the_rows_of_the_local_table(access: Access, sample: Path) -> None:
    uri = access.put(sample)
    for version in versions(sample):
        found = deltastream.read_arrow(uri, version=version, **access.options)
        assert found.equals(deltastream.read_arrow(sample, version=version)), version


@pytest.mark.one_in(7)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_filter_and_columns_leave_what_they_leave_locally(
    access: Access, sample: Path, condition: str
) -> None:
    wanted: dict[str, Any] = {"filter": condition, "columns": ["text", "id"]}
    found = deltastream.read_arrow(access.put(sample), **wanted, **access.options)
    assert found.equals(deltastream.read_arrow(sample, **wanted))


@pytest.mark.one_in(3)
def test_a_time_is_that_of_the_commits_as_the_store_has_them(
    access: Access, numbered: Path
) -> None:
    uri = access.put(numbered)
    with pytest.raises(deltastream.VersionNotFoundError):
        deltastream.read_arrow(uri, timestamp="2001-01-01", **access.options)
    late = deltastream.read_arrow(uri, timestamp="2999-01-01", **access.options)
    assert late.equals(deltastream.read_arrow(numbered))


@pytest.mark.one_in(7)
@pytest.mark.parametrize("condition", [None, CONDITIONS[1]])
@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_come_in_the_local_order(
    access: Access, sample: Path, shuffle: bool, condition: str | None
) -> None:
    def epochs(path: str | Path, **options: Any) -> list[list[list[int]]]:
        data = DeltaDataset(
            path,
            [FieldSpec("id")],
            batch_size=32,
            shuffle=shuffle,
            shuffle_rows=100,
            filter=condition,
            **options,
        )
        return [batch_ids(data) for _ in range(2)]

    assert epochs(access.put(sample), **access.options) == epochs(sample)


@pytest.mark.one_in(3)
def test_ranks_share_a_table_as_they_do_locally(access: Access, numbered: Path) -> None:
    uri = access.put(numbered)
    for rank in range(2):
        ranks: dict[str, Any] = {"rank": rank, "num_ranks": 2, "lanes": 12, "version": len(SIZES)}
        found = DeltaDataset(uri, [FieldSpec("id")], shuffle=True, **ranks, **access.options)
        local = DeltaDataset(numbered, [FieldSpec("id")], shuffle=True, **ranks)
        assert batch_ids(found) == batch_ids(local)


@pytest.mark.one_in(2)
def test_a_position_of_one_copy_is_the_same_in_another(access: Access, numbered: Path) -> None:
    settings: dict[str, Any] = {"shuffle": True, "lanes": 6, "batch_size": 32, "shuffle_rows": 200}

    def dataset(path: str | Path, **options: Any) -> DeltaDataset:
        return DeltaDataset(path, [FieldSpec("id")], **settings, **options)

    expected = batch_ids(dataset(numbered))
    before = dataset(numbered)
    batches = iter(before)
    taken = [next(batches)["id"].tolist() for _ in range(9)]
    after = dataset(access.put(numbered), **access.options)
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    batches = iter(after)
    taken += [next(batches)["id"].tolist() for _ in range(9)]
    last = dataset(numbered)
    last.load_state_dict(json.loads(json.dumps(after.state_dict())))
    assert taken + batch_ids(last) == expected


def test_no_table_there_is_said_with_its_uri(remote_access: Access) -> None:
    assert remote_access.store is not None
    uri = remote_access.store.uri("no/table/here")
    with pytest.raises(deltastream.TableNotFoundError, match=uri):
        deltastream.read_arrow(uri, **remote_access.options)


def test_a_version_that_never_was_is_said_so(remote_access: Access, numbered: Path) -> None:
    with pytest.raises(deltastream.VersionNotFoundError, match="99"):
        deltastream.read_arrow(remote_access.put(numbered), version=99, **remote_access.options)


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"PAR1")


def garble_footer(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-60:-8] = b"\xff" * 52
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "gone": (remove, deltastream.FileMissingError, "VACUUM"),
    "shorter": (cut, deltastream.FileCorruptError, "truncated or replaced"),
    "longer": (lengthen, deltastream.FileCorruptError, "truncated or replaced"),
    "garbled": (garble_footer, deltastream.FileCorruptError, "footer"),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_ends_the_epoch_where_it_lies_and_is_named(
    access: Access, numbered: Path, tmp_path: Path, damage: str
) -> None:
    if damage == "longer" and access.store is not None and access.store.name == "memory":
        # Of a range of an object fsspec does not tell how long the object is, and what was asked for is right.
        return
    copy = tmp_path / "damaged"
    shutil.copytree(numbered, copy)
    victim = data_files(copy)[2]
    do, error, message = DAMAGES[damage]
    do(victim)
    uri = access.put(copy)
    data = DeltaDataset(uri, [FieldSpec("id")], batch_size=10, lanes=1, **access.options)
    found: list[int] = []
    with pytest.raises(error, match=victim.name) as raised:
        found.extend(row for batch in data for row in batch["id"].tolist())
    for part in (uri, f"version {deltalake.DeltaTable(numbered).version()}", message):
        assert part in str(raised.value)
    # The second file ends at row 560: what comes before it may be there, nothing after it.
    assert found == list(range(len(found)))
    assert len(found) <= 560


def test_a_torn_commit_is_named(remote_access: Access, numbered: Path, tmp_path: Path) -> None:
    copy = tmp_path / "torn"
    shutil.copytree(numbered, copy)
    commit = sorted((copy / "_delta_log").glob("*.json"))[-1]
    commit.write_text(commit.read_text()[:-30])
    with pytest.raises(deltastream.LogCorruptError, match=commit.name):
        deltastream.read_arrow(remote_access.put(copy), **remote_access.options)


SECRETS = {
    "s3": ("aws_secret_access_key", "not-the-secret-of-s3"),
    "azure": ("azure_storage_account_key", "bm90IHRoZSBrZXkgb2YgdGhlIGFjY291bnQ="),
}
"""What another secret is called; the server of GCS lets everybody in."""


def test_a_wrong_secret_is_refused_at_once_and_not_shown(
    remote_access: Access, numbered: Path
) -> None:
    assert remote_access.store is not None
    uri = remote_access.put(numbered)
    if remote_access.store.name not in SECRETS:
        return
    name, secret = SECRETS[remote_access.store.name]
    options = remote_access.options
    options["storage_options"] = {**options["storage_options"], name: secret}
    with pytest.raises(deltastream.StorageError, match="_delta_log") as raised:
        deltastream.read_arrow(uri, **options)
    assert "403" in str(raised.value)
    assert "1 attempt" in str(raised.value) or "2 attempts" in str(raised.value)
    assert secret not in str(raised.value)


def test_a_bucket_that_is_not_there_is_named(remote_access: Access) -> None:
    assert remote_access.store is not None
    if remote_access.store.name in ("web", "gcs"):
        # The bucket of a web server is a server: see below. And the server of GCS answers some clients with status 500.
        return
    uri = f"{remote_access.store.scheme}://no-such-bucket/table"
    with pytest.raises(deltastream.DeltaStreamError, match="no-such-bucket"):
        deltastream.read_arrow(uri, **remote_access.options)
