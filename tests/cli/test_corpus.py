"""`inspect --verify` over real tables that other writers made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from deltastream.cli import main
from tests.support.commands import run_command

NOT_COMPARABLE = 3


@pytest.fixture(scope="session")
def tables(corpus: Path) -> list[dict[str, Any]]:
    manifest = json.loads((corpus / "manifest.json").read_text())
    found: list[dict[str, Any]] = manifest["tables"]
    assert found
    return found


def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[object, str, str]:
    """Run the command in this interpreter: a new one for each of hundreds takes minutes."""
    monkeypatch.setattr(sys, "argv", ["deltastream", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_every_table_is_inspected_or_refused_in_a_line_and_deltalake_sees_no_other(
    corpus: Path,
    tables: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong: list[tuple[object, ...]] = []
    num_same = 0
    for table in tables:
        name, expected = table["name"], table["expected"]
        arguments = ("inspect", corpus / table["path"], "--verify")
        code, out, err = run_here(monkeypatch, capsys, *arguments, "--json")
        if not out:
            one_line = err.startswith("error: ") and err.count("\n") == 1
            if code != 1 or not one_line:
                wrong.append((name, code, err))
            elif expected["outcome"] in ("rows", "files-only"):
                wrong.append((name, err))
            continue
        found = json.loads(out)
        verification = found["verification"]
        num_same += verification["outcome"] == "same"
        if code not in (0, NOT_COMPARABLE):
            wrong.append((name, code, verification))
        if expected["outcome"] == "refuse":
            wrong.append((name, "not refused"))
        told = (found["version"], found["files"]["num_files"])
        if expected["outcome"] in ("rows", "files-only") and told != (
            expected["version"],
            expected["files"],
        ):
            wrong.append((name, *told))
        live = found["rows"]["live"]
        if "rows" in expected and live not in (None, expected["rows"]):
            wrong.append((name, "rows", live, expected["rows"]))
    assert not wrong, "\n".join(map(str, wrong))
    assert num_same > len(tables) / 2


def test_the_text_of_every_table_is_drawn(
    corpus: Path,
    tables: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for table in tables:
        if table["expected"]["outcome"] == "rows":
            arguments = (
                "inspect",
                corpus / table["path"],
                "--version",
                table["expected"]["version"],
            )
            code, out, _ = run_here(monkeypatch, capsys, *arguments)
            assert code == 0, table["name"]
            assert f"version {table['expected']['version']}" in out
            assert all(column in out for column in table["expected"]["columns"]), table["name"]


@pytest.mark.parametrize(
    "name", ["golden.dv-partitioned-with-checkpoint", "golden.data-reader-partition-values"]
)
def test_the_real_command_does_as_the_one_in_this_interpreter(
    corpus: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("inspect", corpus / "tables" / name, "--verify")
    ran = run_command(*arguments)
    assert (ran.code, ran.out, ran.err) == run_here(monkeypatch, capsys, *arguments)
