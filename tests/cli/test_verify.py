from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest

from deltastream.cli.inspection.model import Difference, Verification
from deltastream.cli.inspection.verify import verify_snapshot
from deltastream.storage import StorageAccess
from deltastream.types import Snapshot
from tests.support.commands import run_command
from tests.support.logs import LogFolder, add, metadata, protocol, read, remove
from tests.support.tables import write_files, write_numbered


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tables") / "a table, 100%"
    rows = pa.table(
        {
            "id": pa.array(range(9), pa.int64()),
            "place": ["Oslo", None, "a b/%25"] * 3,
            "ratio": [0.5, float("nan"), None] * 3,
        }
    )
    return write_files(root, [rows, rows], partition_by=["place", "ratio"])


def differences(snapshot: Snapshot) -> list[Difference]:
    verification = verify_snapshot(snapshot, StorageAccess())
    assert verification.outcome == ("different" if verification.num_differences else "same")
    assert verification.num_differences == len(verification.differences)
    return list(verification.differences)


def with_column(snapshot: Snapshot, name: str, values: pa.Array) -> Snapshot:
    files = snapshot.files
    column = files.schema.get_field_index(name)
    return dataclasses.replace(snapshot, files=files.set_column(column, files.field(name), values))


def test_every_version_of_a_table_is_the_same(table: Path) -> None:
    for options in ([], ["--version", 0]):
        ran = run_command("inspect", table, "--verify", *options)
        assert ran.code == 0, ran.out
        assert ran.out.endswith(f"compared with deltalake {deltalake.__version__}  same\n")
    found = run_command("inspect", table, "--verify", "--json").document["verification"]
    assert found == {
        "deltalake_version": deltalake.__version__,
        "outcome": "same",
        "notes": [],
        "num_differences": 0,
        "differences": [],
    }
    assert run_command("inspect", table, "--json").document["verification"] is None


def test_what_is_said_of_the_table_is_compared(table: Path) -> None:
    snapshot = read(table)
    wrong: dict[str, dict[str, Any]] = {
        "table id": {"table_id": "another"},
        "partition columns": {"partition_columns": ("place",)},
        "column id": {
            "schema": snapshot.schema.set(0, pa.field("id", pa.int32(), nullable=True)),
        },
        "order of columns": {"schema": pa.schema(list(snapshot.schema)[::-1])},
    }
    for what, change in wrong.items():
        found = differences(dataclasses.replace(snapshot, **change))
        assert [difference.what for difference in found] == [what]
    assert found[0] == Difference(
        "order of columns", None, "['ratio', 'place', 'id']", "['id', 'place', 'ratio']"
    )


def test_a_file_too_few_and_one_too_many_are_named(table: Path) -> None:
    snapshot = read(table)
    fewer = dataclasses.replace(
        snapshot, files=snapshot.files.slice(1), partitions=snapshot.partitions.slice(1)
    )
    path = snapshot.files["path"][0].as_py()
    assert [(d.what, d.file, d.ours, d.deltalake) for d in differences(fewer)] == [
        ("number of files", None, "5", "6"),
        ("file", path, "not there", "live"),
    ]
    paths = snapshot.files["path"].to_pylist()
    renamed = with_column(snapshot, "path", pa.array(["x", *paths[1:]]))
    assert {(d.what, d.file) for d in differences(renamed)} == {("file", "x"), ("file", path)}


@pytest.mark.parametrize("name", ["nbytes", "modified_ms", "num_records"])
def test_what_is_said_of_a_file_is_compared(table: Path, name: str) -> None:
    snapshot = read(table)
    values = snapshot.files[name].to_numpy() + np.arange(6) // 5
    found = differences(with_column(snapshot, name, pa.array(values, pa.int64())))
    last = int(values[-1])
    path = snapshot.files["path"][5].as_py()
    assert found == [Difference(name, path, str(last), str(last - 1))]


def test_a_count_that_we_lack_is_a_difference_and_one_that_deltalake_lacks_is_a_note(
    tmp_path: Path,
) -> None:
    snapshot = read(write_numbered(tmp_path / "table", [3]))
    lacking = with_column(snapshot, "num_records", pa.nulls(1, pa.int64()))
    assert [(d.what, d.ours, d.deltalake) for d in differences(lacking)] == [
        ("num_records", "nothing", "3")
    ]
    log = LogFolder(tmp_path / "uncounted")
    log.first_commit(add("a"))
    uncounted = read(log.root)
    counted = with_column(uncounted, "num_records", pa.array([5], pa.int64()))
    verification = verify_snapshot(counted, StorageAccess())
    assert verification.outcome == "same"
    assert [note.partition(":")[0] for note in verification.notes] == ["num_records"]


def test_partition_values_are_compared_null_and_nan_as_values(table: Path) -> None:
    snapshot = read(table)
    swapped = dataclasses.replace(snapshot, partitions=snapshot.partitions.take([1, 2, 0, 3, 4, 5]))
    found = differences(swapped)
    assert {d.what for d in found} == {"partition value of place", "partition value of ratio"}
    assert {"nothing", "Oslo", "a b/%25"} == {d.ours for d in found if d.what.endswith("place")}
    assert len(found) == 6


def test_deletion_vectors_are_compared_by_the_rows_that_they_delete(table: Path) -> None:
    snapshot = read(table)
    vector = {"storage_type": "u", "path_or_inline": "", "offset": 1, "nbytes": 1, "cardinality": 2}
    type_ = snapshot.files.schema.field("deletion_vector").type
    invented = with_column(snapshot, "deletion_vector", pa.array([vector] + [None] * 5, type_))
    path = str(table / snapshot.files["path"][0].as_py())
    assert differences(invented) == [Difference("deleted rows", path, "2", "nothing")]


def test_differences_are_an_exit_code_of_their_own_and_are_listed_up_to_a_hundred() -> None:
    difference = Difference("file", "x", "live", "not there")
    assert Verification("1", "different", (), 1, (difference,)).exit_code == 1
    assert Verification("1", "same", (), 0, ()).exit_code == 0
    assert Verification("1", "not comparable", ("why",), 0, ()).exit_code == 3


def test_many_differences_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    log = LogFolder(tmp_path / "table")
    log.first_commit(*[add(f"{i:03}") for i in range(150)])
    snapshot = read(log.root)
    verification = verify_snapshot(
        with_column(snapshot, "nbytes", pa.array([7] * 150, pa.int64())), StorageAccess()
    )
    assert (verification.num_differences, len(verification.differences)) == (150, 100)


def test_a_table_that_deltalake_cannot_open_is_not_comparable(tmp_path: Path) -> None:
    log = LogFolder(tmp_path / "table")
    later = protocol()
    later["protocol"] |= {"minWriterVersion": 8, "writerFeatures": ["appendOnly"]}
    log.commit(0, later, metadata(), add("a", stats=json.dumps({"numRecords": 1})))
    (tmp_path / "table" / "a").write_bytes(b"x")
    ran = run_command("inspect", tmp_path / "table", "--verify")
    assert ran.code == 3, ran.out
    assert "deltalake cannot open this table: " in ran.out
    found = run_command("inspect", tmp_path / "table", "--verify", "--json").document
    assert found["rows"]["live"] == 1
    assert found["verification"]["outcome"] == "not comparable"


def test_what_deltalake_keeps_under_another_spelling_is_no_difference_of_ours(
    tmp_path: Path,
) -> None:
    log = LogFolder(tmp_path / "table")
    log.first_commit(add("/some/absolute/path"))
    log.commit(1, remove("file:///some/absolute/path"))
    verification = verify_snapshot(read(log.root), StorageAccess())
    assert verification.outcome == "same"
    assert "/some/absolute/path" in verification.notes[0]


def test_frames_of_rust_are_not_told(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = read(table)

    def fail(*_: object, **__: object) -> None:
        raise OSError("no such thing\n\n   0: <unknown>\n   1: _start\n")

    monkeypatch.setattr(deltalake, "DeltaTable", fail)
    (note,) = verify_snapshot(snapshot, StorageAccess()).notes
    assert note == "deltalake cannot open this table: OSError: no such thing"
