"""Tables whose bytes come over a network: the same rows in the same order as of their copies on a local disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deltastream import Credentials, DeltaDataset, FieldSpec, read_arrow
from deltastream.errors import FileMissingError
from deltastream.storage import StorageAccess
from tests.support.loaders import row_ids
from tests.support.memory import serve_tables
from tests.support.tables import data_files, write_files, write_numbered
from tests.support.vectors import numbered_files, write_files_with_vectors

SIZES = [300, 10, 200, 64]
DELETED = [[0, 5, 63, 64, 299], None, list(range(64, 128)), []]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_files_with_vectors(tmp_path / "t", numbered_files(SIZES, DELETED))


@pytest.mark.parametrize("condition", [None, "id > 7 and id < 410", "id < 70", "text = '65'"])
def test_rows_as_arrow_are_those_of_the_local_copy(
    table: Path, monkeypatch: pytest.MonkeyPatch, condition: str | None
) -> None:
    opened = serve_tables(monkeypatch, t=table)
    remote = read_arrow("test://t", filter=condition)
    monkeypatch.undo()
    assert remote.equals(read_arrow(table, filter=condition))
    assert [storage.num_closed for storage in opened] == [1, 1]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("condition", [None, "id > 7 and id < 410"])
def test_batches_are_those_of_the_local_copy(
    table: Path, monkeypatch: pytest.MonkeyPatch, shuffle: bool, condition: str | None
) -> None:
    options: dict[str, Any] = {"batch_size": 7, "shuffle": shuffle, "filter": condition, "seed": 3}
    serve_tables(monkeypatch, t=table)
    dataset = DeltaDataset("test://t", [FieldSpec("id")], **options)
    remote = [row_ids(dataset), row_ids(dataset)]
    monkeypatch.undo()
    local = DeltaDataset(table, [FieldSpec("id")], **options)
    assert remote == [row_ids(local), row_ids(local)]


def test_large_files_are_read_in_ranges_of_the_wanted_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_numbered(tmp_path / "t", [60_000, 60_000], row_group_rows=20_000)
    opened = serve_tables(monkeypatch, t=root)
    remote = read_arrow("test://t", columns=["id"])
    monkeypatch.undo()
    assert remote.equals(read_arrow(root, columns=["id"]))
    paths = {path.name for path in data_files(root)}
    asked = [part for path, part in opened[1].requests if path in paths]
    assert None not in asked
    nbytes = sum(part.stop - part.start for part in asked if part is not None)
    assert nbytes < sum(path.stat().st_size for path in data_files(root)) / 1.5


def test_lengths_that_the_schema_does_not_say_are_found_in_the_first_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = list(range(20_000))
    empty = pa.table({"id": ids, "v": pa.nulls(len(ids), pa.list_(pa.float32()))})
    values = pa.array([[float(i), 1.0, i / 7] for i in ids], pa.list_(pa.float32()))
    root = write_files(
        tmp_path / "t", [empty, pa.table({"id": ids, "v": values})], row_group_rows=50
    )
    serve_tables(monkeypatch, t=root)
    options: dict[str, Any] = {"batch_size": 10, "filter": "v is not null"}
    found = next(iter(DeltaDataset("test://t", [FieldSpec("v")], **options)))
    monkeypatch.undo()
    assert found["v"].equal(next(iter(DeltaDataset(root, [FieldSpec("v")], **options)))["v"])


def test_a_file_that_is_gone_is_named(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = sorted(table.glob("*.parquet"))[2]
    gone.unlink()
    serve_tables(monkeypatch, t=table)
    with pytest.raises(FileMissingError, match=gone.name):
        read_arrow("test://t")


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_small_budget_ends_an_epoch_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shuffle: bool
) -> None:
    root = write_numbered(tmp_path / "t", [700, 300, 900], row_group_rows=100)
    serve_tables(monkeypatch, t=root)
    options: dict[str, Any] = {"batch_size": 10, "shuffle": shuffle}
    options["memory_budget"] = 16_000 if shuffle else 1
    dataset = DeltaDataset("test://t", [FieldSpec("id")], **options)
    assert sorted(row_ids(dataset)) == list(range(1900))


def test_an_iterator_that_is_closed_early_closes_its_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_numbered(tmp_path / "t", [7000, 3000, 9000], row_group_rows=100)
    opened = serve_tables(monkeypatch, t=root)
    batches: Any = iter(DeltaDataset("test://t", [FieldSpec("id")], batch_size=10))
    next(batches)
    batches.close()
    assert [storage.num_closed for storage in opened] == [1, 1]


def test_what_is_said_of_the_store_reaches_every_storage_and_no_representation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_numbered(tmp_path / "t", [70])
    opened = serve_tables(monkeypatch, t=root)
    said: dict[str, Any] = {
        "storage_options": {"aws_secret_access_key": "hidden-from-view"},
        "credentials": lambda: Credentials({"aws_session_token": "hidden-from-view"}),
        "transport": "fsspec",
        "cache_dir": tmp_path / "cache",
        "cache_nbytes": 1 << 20,
    }
    dataset = DeltaDataset("test://t", [FieldSpec("id")], batch_size=10, **said)
    assert row_ids(dataset) == list(range(70))
    assert read_arrow("test://t", **said).num_rows == 70
    assert [storage.access for storage in opened] == [StorageAccess(**said)] * 4
    assert "hidden-from-view" not in repr(dataset._plan)
    assert "hidden-from-view" not in repr(dataset.progress)
