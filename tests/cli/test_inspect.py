from __future__ import annotations

import json
import re
import shutil
from datetime import date
from io import StringIO
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream.cli.sections import print_sections
from tests.support.commands import inspected, run_command
from tests.support.logs import VECTOR, LogFolder, add, metadata, protocol
from tests.support.tables import add_actions, data_files, write_files, write_numbered


@pytest.fixture(scope="module")
def partitioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions, a checkpoint at the last, nulls among the values and the partition values."""
    root = tmp_path_factory.mktemp("tables") / "partitioned"
    days = [date(2026, 1, 1), date(2026, 1, 2), None]
    for version in range(3):
        rows = pa.table(
            {
                "id": pa.array(range(version * 6, version * 6 + 6), pa.int64()),
                "day": pa.array([days[i % 3] for i in range(6)], pa.date32()),
                "place": ["Oslo", None, "a b/%25", "Oslo", "Oslo", "Oslo"],
                "point": pa.array(
                    [{"x": 1.0, "tags": ["a"]}, None] * 3,
                    pa.struct([("x", pa.float32()), ("tags", pa.list_(pa.string()))]),
                ),
            }
        )
        deltalake.write_deltalake(root, rows, mode="append", partition_by=["day", "place"])
    deltalake.DeltaTable(root).create_checkpoint()
    return root


def spread(values: list[int]) -> dict[str, int]:
    ordered = sorted(values)
    return {"min": ordered[0], "median": ordered[(len(values) - 1) // 2], "max": ordered[-1]}


def test_the_document_has_what_deltalake_wrote(partitioned: Path) -> None:
    found = inspected(partitioned)
    table = deltalake.DeltaTable(partitioned)
    actions = add_actions(partitioned)
    assert found["format"] == 1
    assert found["table_uri"] == str(partitioned)
    assert (found["version"], found["table_id"]) == (2, str(table.metadata().id))
    assert found["partition_columns"] == ["day", "place"]
    assert [(c["name"], c["type"]) for c in found["columns"]] == [
        ("id", "long"),
        ("day", "date"),
        ("place", "string"),
        ("point", "struct"),
    ]
    assert [(c["name"], c["type"]) for c in found["columns"][3]["fields"]] == [
        ("x", "float"),
        ("tags", "array<string>"),
    ]
    files = found["files"]
    assert files["num_files"] == files["num_small_files"] == len(actions)
    sizes = [action["size_bytes"] for action in actions]
    assert (files["nbytes"], files["file_nbytes"]) == (sum(sizes), spread(sizes))
    times = [action["modification_time"] for action in actions]
    assert (files["oldest_ms"], files["newest_ms"]) == (min(times), max(times))
    rows = [action["num_records"] for action in actions]
    assert found["rows"] == {
        "physical": 18,
        "deleted": 0,
        "live": 18,
        "per_file": spread(rows),
        "num_uncounted_files": 0,
    }
    assert found["statistics"]["num_files_num_records"] == len(actions)


def test_partitions_are_counted_by_value_and_by_combination(partitioned: Path) -> None:
    found = inspected(partitioned)["partitions"]
    # In each version: (1, Oslo) twice, (2, null), (2, Oslo), (null, a b/%25) and (null, Oslo).
    assert found["num_partitions"] == 5
    assert found["files"] == {"min": 3, "median": 3, "max": 3}
    assert found["rows"] == {"min": 3, "median": 3, "max": 6}
    day, place = found["columns"]
    assert (day["name"], day["num_values"]) == ("day", 3)
    assert {(v["value"], v["rows"]) for v in day["top"]} == {
        ("2026-01-01", 6),
        ("2026-01-02", 6),
        (None, 6),
    }
    assert [(v["value"], v["num_files"], v["rows"]) for v in place["top"][:1]] == [("Oslo", 9, 12)]
    assert {v["value"] for v in place["top"]} == {"Oslo", None, "a b/%25"}


def test_row_groups_are_those_of_the_footers(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", [200, 64, 3])
    footers = [pq.read_metadata(path) for path in data_files(table)]
    groups = [footer.row_group(i) for footer in footers for i in range(footer.num_row_groups)]
    found = inspected(table)["row_groups"]
    assert (found["num_files"], found["num_row_groups"]) == (3, len(groups))
    assert found["per_file"] == spread([footer.num_row_groups for footer in footers])
    assert found["rows"] == spread([group.num_rows for group in groups])
    assert found["uncompressed_nbytes"] == spread([group.total_byte_size for group in groups])
    assert found["created_by"] == {footers[0].created_by: 3}
    assert found["unreadable_files"] == []


def test_footers_are_a_sample_all_or_none_as_asked(tmp_path: Path) -> None:
    table = write_files(
        tmp_path / "table",
        [pa.table({"p": [str(i) for i in range(70)], "x": range(70)})],
        partition_by=["p"],
    )
    assert inspected(table)["row_groups"]["num_files"] == 64
    assert inspected(table, "--footers")["row_groups"]["num_files"] == 70
    assert inspected(table, "--no-footers")["row_groups"] is None


def test_a_missing_and_a_broken_file_are_told_not_raised(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", [3, 4, 5])
    gone, broken, _ = data_files(table)
    gone.unlink()
    broken.write_bytes(b"x" * broken.stat().st_size)
    ran = run_command("inspect", table)
    assert (ran.code, ran.err) == (0, "")
    assert "the file is gone" in ran.out
    assert "not a readable Parquet footer" in ran.out
    found = inspected(table)
    assert found["rows"]["live"] == 12
    assert (found["row_groups"]["num_files"], found["row_groups"]["num_unreadable_files"]) == (1, 2)
    assert {file["path"] for file in found["row_groups"]["unreadable_files"]} == {
        gone.name,
        broken.name,
    }


def test_rows_that_the_log_does_not_count_are_counted_by_footers(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", [3, 4])
    for log in (table / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        for action in actions:
            action.get("add", {}).pop("stats", None)
        log.write_text("\n".join(map(json.dumps, actions)))
    without = inspected(table, "--no-footers")
    assert without["rows"]["num_uncounted_files"] == 2
    assert without["rows"]["live"] is without["rows"]["physical"] is None
    counted = inspected(table)
    assert (counted["rows"]["live"], counted["rows"]["num_uncounted_files"]) == (7, 0)
    assert counted["statistics"]["num_files_num_records"] == 0
    assert "1 file" not in (unread := run_command("inspect", table, "--no-footers").out)
    assert "not known: the log does not count 2 files; --footers does" in unread
    data_files(table)[0].unlink()
    looked = run_command("inspect", table, "--footers").out
    assert "not known: the log does not count 1 file; nor could its footer be read" in looked


def test_time_travel_by_version_and_by_timestamp(partitioned: Path) -> None:
    assert inspected(partitioned, "--version", 0)["rows"]["live"] == 6
    assert inspected(partitioned, "--version", 1)["version"] == 1
    assert inspected(partitioned, "--timestamp", "9999-01-01")["version"] == 2
    ran = run_command("inspect", partitioned, "--version", 3)
    assert (ran.code, ran.out) == (1, "")
    assert "3" in ran.err
    assert run_command("inspect", partitioned, "--timestamp", "2000-01-01").code == 1


def test_a_relative_path_and_a_file_uri_open_the_same_table(partitioned: Path) -> None:
    by_uri = inspected(partitioned.as_uri())
    assert by_uri == inspected(f"{partitioned.parent}/./{partitioned.name}/")
    assert by_uri["table_uri"] == str(partitioned)


def test_the_text_tells_what_the_document_has(partitioned: Path) -> None:
    text = run_command("inspect", partitioned).out
    found = inspected(partitioned)
    for word in (
        f"{partitioned}, version 2",
        found["table_id"],
        "partition column",
        "array<string>",
        "18 live, 0 deleted, 18 physical",
        f"{found['files']['nbytes']:,} bytes",
        "15 of 15",
        "'2026-01-01'",
        "null",
        "Row groups",
    ):
        assert word in text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_lines_in_a_pipe_are_not_cut(tmp_path: Path) -> None:
    name = "column_" * 40
    table = write_files(tmp_path / "table", [pa.table({name: [1]})])
    assert f"  {name}" in run_command("inspect", table, COLUMNS="40").out


def test_names_that_the_terminal_lacks_are_escaped(tmp_path: Path) -> None:
    table = write_files(tmp_path / "table", [pa.table({"größe": [1], "esc\x1b[31m": [2]})])
    ran = run_command("inspect", table, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ran.code == 0
    assert "gr\\xf6\\xdfe" in ran.out
    assert "esc\\x1b[31m" in ran.out
    assert [c["name"] for c in inspected(table)["columns"]] == ["größe", "esc\x1b[31m"]


def test_a_table_without_files_and_one_without_rows(tmp_path: Path) -> None:
    schema = pa.schema([("x", pa.int64()), ("p", pa.string())])
    deltalake.DeltaTable.create(tmp_path / "table", schema, partition_by=["p"])
    for options in ([], ["--verify"]):
        found = inspected(tmp_path / "table", *options)
        assert found["files"]["file_nbytes"] is found["files"]["oldest_ms"] is None
        assert found["partitions"]["num_partitions"] == 0
        assert found["rows"]["live"] == 0
        assert run_command("inspect", tmp_path / "table", *options).code == 0


def test_deletion_vectors_are_counted_by_where_they_lie(tmp_path: Path) -> None:
    log = LogFolder(tmp_path / "table")
    inline = {**VECTOR, "storageType": "i", "offset": None}
    stats = json.dumps({"numRecords": 10})
    log.commit(
        0,
        protocol(3, ["deletionVectors"]),
        metadata(),
        add("a", stats=stats, deletionVector=inline),
        add("b", stats=stats, deletionVector={**VECTOR, "cardinality": 3}),
        add("c", stats=stats),
    )
    found = inspected(tmp_path / "table", "--no-footers")
    assert found["deletion_vectors"] == {
        "num_files": 2,
        "deleted_rows": 9,
        "storage": {"inline": 1, "relative": 1, "absolute": 0},
        "nbytes": 80,
    }
    assert (found["rows"]["physical"], found["rows"]["live"]) == (30, 21)
    assert found["rows"]["per_file"] == {"min": 4, "median": 7, "max": 10}
    assert found["protocol"]["reader_features"] == [{"name": "deletionVectors", "in_use": True}]


def test_secrets_in_the_configuration_are_hidden(tmp_path: Path) -> None:
    log = LogFolder(tmp_path / "table")
    configuration = {"delta.appendOnly": "true", "fs.s3a.secret.key": "hunter2"}
    log.commit(0, protocol(), metadata(configuration=configuration))
    for options in ([], ["--json"]):
        ran = run_command("inspect", tmp_path / "table", *options)
        assert ran.code == 0
        assert "hunter2" not in ran.out
        assert "delta.appendOnly" in ran.out
        assert "fs.s3a.secret.key" in ran.out


def test_a_table_is_not_changed_by_looking_at_it(partitioned: Path, tmp_path: Path) -> None:
    table = shutil.copytree(partitioned, tmp_path / "table")
    before = sorted((p, p.stat().st_mtime_ns) for p in table.rglob("*"))
    assert run_command("inspect", table, "--verify").code == 0
    assert sorted((p, p.stat().st_mtime_ns) for p in table.rglob("*")) == before


def test_a_name_that_is_wider_than_the_terminal_is_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    name = "".join(chr(ord("a") + i % 26) for i in range(100))
    out = Terminal()
    print_sections([("columns", [(name, "string", "not null")])], out)
    assert "…" not in out.getvalue()
    folded = re.findall("[a-z]+", "".join(line[:24] for line in out.getvalue().splitlines()[1:]))
    assert name[:10] in "".join(folded)
    assert name[-5:] in out.getvalue()
