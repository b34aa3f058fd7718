"""The log of every table of the corpus: real tables that other writers made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deltastream.errors import DeltaStreamError
from deltastream.types import PHYSICAL_NAME, Snapshot
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


def test_every_readable_table_has_its_version_files_and_rows(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    wrong: list[tuple[object, ...]] = []
    for root, table in tables:
        expected = table["expected"]
        if expected["outcome"] not in ("rows", "files-only", "refuse-or-equal"):
            continue
        found = read(root)
        if (found.version, found.files.num_rows) != (expected["version"], expected["files"]):
            wrong.append((table["name"], found.version, found.files.num_rows))
        paths = found.files.column("path").to_pylist()
        if "paths" in expected and sorted(paths) != sorted(map(unquote, expected["paths"])):
            wrong.append((table["name"], "paths"))
        count = live_count(found)
        if "rows" in expected and count not in (None, expected["rows"]):
            wrong.append((table["name"], "rows", count, expected["rows"]))
    assert not wrong


def test_every_recorded_version_of_a_readable_table_has_its_rows(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    wrong: list[tuple[object, ...]] = []
    for root, table in tables:
        if table["expected"]["outcome"].startswith("refuse"):
            continue
        for entry in table.get("versions", []):
            found = read(root, version=entry["version"])
            rows, count = entry.get("snapshot_rows"), live_count(found)
            if rows is not None and count not in (None, rows):
                wrong.append((table["name"], entry["version"], count, rows))
            assert found.version == entry["version"]
    assert not wrong


def leaves(fields: Iterable[pa.Field]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The paths of the columns, through structs, in logical and in physical names."""
    for field in fields:
        physical = (field.metadata or {}).get(PHYSICAL_NAME, field.name.encode()).decode()
        if pa.types.is_struct(field.type):
            for logical, within in leaves(field.type):
                yield (field.name, *logical), (physical, *within)
        else:
            yield (field.name,), (physical,)


def column_of(table: pa.Table, path: tuple[str, ...]) -> pa.ChunkedArray | None:
    if path[0] not in table.column_names:
        return None
    values = table.column(path[0])
    for name in path[1:]:
        if values.type.get_field_index(name) < 0:
            return None
        values = pc.struct_field(values, name)
    return values


def test_no_value_of_any_file_lies_outside_its_statistics(
    tables: list[tuple[Path, dict[str, Any]]],
) -> None:
    wrong: list[tuple[object, ...]] = []
    num_known = 0
    for root, table in tables:
        if table["expected"]["outcome"] != "rows":
            continue
        paths = dict(leaves(read(root).schema))
        snapshot = read(root, statistics_of=list(paths))
        assert snapshot.statistics is not None
        for row, name in enumerate(snapshot.files.column("path").to_pylist()):
            if not (root / name).exists():
                continue
            file = pq.ParquetFile(root / name, coerce_int96_timestamp_unit="us").read()
            for (path, physical), said in zip(
                paths.items(), snapshot.statistics.columns, strict=True
            ):
                least, greatest, nulls = (said[row][key] for key in ("min", "max", "null_count"))
                values = column_of(file, physical)
                if values is None or path[0] in snapshot.partition_columns:
                    continue
                if nulls.is_valid and values.null_count > nulls.as_py():
                    wrong.append((table["name"], name, path, "nulls", values.null_count, nulls))
                if least.is_valid or greatest.is_valid:
                    num_known += 1
                    values = values.cast(least.type)
                    # A bound that is null compares to null; so does NaN to all but itself.
                    if pc.any(pc.less(values, least)).as_py():
                        wrong.append((table["name"], name, path, "min", least))
                    if pc.any(pc.greater(values, greatest)).as_py():
                        wrong.append((table["name"], name, path, "max", greatest))
    assert not wrong
    assert num_known > 500


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
