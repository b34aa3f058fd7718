from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.support.commands import inspected, run_command
from tests.support.logs import LogFolder, add, metadata, protocol
from tests.support.tables import write_files


def test_statistics_are_counted_by_column_through_structs(tmp_path: Path) -> None:
    parts = [
        pa.table({"a": [1, 2], "s": [{"x": 1.0, "l": [1]}, {"x": 2.0, "l": []}], "p": ["u", "u"]}),
        pa.table({"a": [3, 4], "s": [{"x": 1.0, "l": [1]}, {"x": 2.0, "l": []}], "p": ["u", "v"]}),
    ]
    table = write_files(tmp_path / "table", parts, partition_by=["p"])
    uncounted = add("p=v/uncounted", partitionValues={"p": "v"})
    (table / "_delta_log" / f"{2:020}.json").write_text(json.dumps(uncounted))
    found = inspected(table)["statistics"]
    assert found["num_files_num_records"] == 3
    assert found["columns"] == [
        {"column": ["a"], "num_files_min_max": 3, "num_files_null_count": 3},
        {"column": ["s", "x"], "num_files_min_max": 3, "num_files_null_count": 3},
    ]
    assert inspected(table, "--no-column-statistics")["statistics"]["columns"] is None
    text = run_command("inspect", table).out
    assert "  s.x  3                    75.0 %" in text
    assert "Statistics" not in run_command("inspect", table, "--no-column-statistics").out


def test_mapped_columns_have_their_physical_names_and_ids_at_every_level(tmp_path: Path) -> None:
    def column(name: str, number: int, type_: object) -> dict[str, Any]:
        mapping = {
            "delta.columnMapping.id": number,
            "delta.columnMapping.physicalName": f"col-{number}",
        }
        return {"name": name, "type": type_, "nullable": True, "metadata": mapping}

    inner = {"type": "struct", "fields": [column("b", 2, "long")]}
    columns = [column("a", 1, {"type": "array", "elementType": inner, "containsNull": False})]
    configuration = {"delta.columnMapping.mode": "name"}
    log = LogFolder(tmp_path / "table")
    log.commit(0, protocol(2), metadata(columns=columns, configuration=configuration))
    found = inspected(log.root, "--verify")
    assert found["verification"]["outcome"] == "same"
    assert found["protocol"] == {
        "min_reader_version": 2,
        "reader_features": [],
        "column_mapping": "name",
    }
    outer = found["columns"][0]
    assert (outer["type"], outer["physical_name"], outer["field_id"]) == (
        "array<struct>",
        "col-1",
        1,
    )
    element = outer["fields"][0]
    assert (element["name"], element["nullable"], element["physical_name"]) == (
        "element",
        False,
        None,
    )
    assert [(f["name"], f["physical_name"], f["field_id"]) for f in element["fields"]] == [
        ("b", "col-2", 2)
    ]
    assert "physical name col-2, id 2" in run_command("inspect", log.root).out


def test_a_variant_is_one_column_and_a_struct_that_looks_like_one_is_two(tmp_path: Path) -> None:
    pair = [
        {"name": name, "type": "binary", "nullable": False, "metadata": {}}
        for name in ("value", "metadata")
    ]
    alike = {
        "name": "s",
        "type": {"type": "struct", "fields": pair},
        "nullable": True,
        "metadata": {},
    }
    plain = LogFolder(tmp_path / "plain")
    plain.commit(0, protocol(), metadata(columns=[alike]))
    assert len(inspected(plain.root)["columns"][0]["fields"]) == 2
    variants = LogFolder(tmp_path / "variants")
    variants.commit(0, protocol(3, ["variantType"]), metadata({"v": "variant"}))
    found = inspected(variants.root)
    assert [(c["type"], c["fields"]) for c in found["columns"]] == [("variant", [])]
    assert found["protocol"]["reader_features"] == [{"name": "variantType", "in_use": True}]
