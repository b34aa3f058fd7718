"""The log of every table of the corpus: real tables that other writers made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from deltastream.errors import DeltaStreamError, UnsupportedFeatureError
from deltastream.types import Snapshot
from tests.support.logs import read


@pytest.fixture(scope="session")
def tables(corpus: Path) -> list[tuple[Path, dict[str, Any]]]:
    manifest = json.loads((corpus / "manifest.json").read_text())
    found = [(corpus / table["path"], table) for table in manifest["tables"]]
    assert found
    return found


def live_count(snapshot: Snapshot) -> int | None:
    """The live rows, as the log alone says; None where it has no statistics of a file."""
    counts = snapshot.files.column("num_records").to_pylist()
    vectors = snapshot.files.column("deletion_vector").to_pylist()
    if None in counts:
        return None
    return sum(counts) - sum(vector["cardinality"] for vector in vectors if vector is not None)


def test_every_readable_table_has_its_version_and_files_or_is_refused_by_name(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    wrong: list[tuple[object, ...]] = []
    for root, table in tables:
        expected = table["expected"]
        if expected["outcome"] not in ("rows", "files-only", "refuse-or-equal"):
            continue
        try:
            found = read(root)
        except UnsupportedFeatureError:
            continue
        if (found.version, found.files.num_rows) != (expected["version"], expected["files"]):
            wrong.append((table["name"], found.version, found.files.num_rows))
        paths = found.files.column("path").to_pylist()
        if "paths" in expected and sorted(paths) != sorted(map(unquote, expected["paths"])):
            wrong.append((table["name"], "paths"))
        count = live_count(found)
        if "rows" in expected and count not in (None, expected["rows"]):
            wrong.append((table["name"], "rows", count, expected["rows"]))
    assert not wrong


def test_only_tables_that_use_what_we_lack_are_refused(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    lacking = ("column-mapping", "checkpoint-v2", "dv", "type-widening", "type:variant")
    wrong: list[tuple[object, ...]] = []
    for root, table in tables:
        if table["expected"]["outcome"] not in ("rows", "files-only"):
            continue
        if any(feature.startswith(lacking) for feature in table["features"]):
            continue
        try:
            read(root)
        except DeltaStreamError as error:
            wrong.append((table["name"], str(error)))
    assert not wrong


def test_every_version_of_a_table_opens_or_is_refused_by_name(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    wrong: list[tuple[object, ...]] = []
    for root, table in tables:
        for entry in table.get("versions", []):
            try:
                found = read(root, version=entry["version"])
            except UnsupportedFeatureError:
                continue
            rows, count = entry.get("snapshot_rows"), live_count(found)
            if rows is not None and count not in (None, rows):
                wrong.append((table["name"], entry["version"], count, rows))
            assert found.version == entry["version"]
    assert not wrong


def test_every_table_that_no_reader_may_read_is_refused(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    # In each of them it is the log that makes a reader refuse, so none passes this stage.
    for root, table in tables:
        if table["expected"]["outcome"] == "refuse":
            with pytest.raises(DeltaStreamError):
                read(root)


def test_a_table_that_may_be_refused_raises_nothing_but_our_errors(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    for root, table in tables:
        if table["expected"]["outcome"].startswith("refuse-or"):
            try:
                read(root)
            except DeltaStreamError:
                pass
