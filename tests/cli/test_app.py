from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import deltastream
from tests.support.commands import run_command
from tests.support.tables import write_numbered


def test_help_names_the_commands() -> None:
    ran = run_command("--help")
    assert ran.code == 0
    assert "inspect" in ran.out


def test_no_arguments_show_the_help_as_an_error_of_usage() -> None:
    ran = run_command()
    assert ran.code == 2
    assert "inspect" in ran.out + ran.err


def test_the_version_is_the_package_s() -> None:
    from importlib.metadata import version

    assert run_command("--version").out.strip() == version("deltastream")


def test_an_error_is_one_line_on_stderr_and_exit_code_1(tmp_path: Path) -> None:
    ran = run_command("inspect", tmp_path / "nothing")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert "_delta_log" in ran.err
    assert ran.err.count("\n") == 1


def test_a_folder_that_cannot_be_read_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").write_text("a file, where a folder is expected")
    ran = run_command("inspect", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1


def test_an_error_of_several_lines_becomes_one(tmp_path: Path) -> None:
    ran = run_command("inspect", f"{tmp_path}/two\nlines")
    assert ran.code == 1
    assert ran.err.count("\n") == 1


def test_arguments_that_cannot_be_are_exit_code_2(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", [3])
    for arguments in (
        [],
        [table, "--no-such-option"],
        [table, "--version", "x"],
        [table, "--version", "-1"],
        [table, "--version", "0", "--timestamp", "2026-01-01"],
        [table, "--timestamp", "yesterday"],
        [""],
    ):
        ran = run_command("inspect", *arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert "Traceback" not in ran.err


def test_the_commands_import_neither_torch_nor_deltalake_unless_asked(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", [3])
    code = (
        "import sys\n"
        "from deltastream.cli import main\n"
        "sys.argv = ['deltastream', *sys.argv[1:]]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as done:\n"
        "    print([done.code, *({'torch', 'deltalake'} & sys.modules.keys())], file=sys.stderr)\n"
    )
    found = []
    for options in ([], ["--json"], ["--verify"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "inspect", table, *options],
            env={**os.environ, "PYTHONPATH": str(Path(deltastream.__file__).parents[1])},
            capture_output=True,
            text=True,
        )
        found.append(done.stderr.strip())
    assert found == ["[0]", "[0]", "[0, 'deltalake']"]


def test_the_help_imports_no_pyarrow() -> None:
    code = "import sys, deltastream.cli; print(sorted({'pyarrow', 'rich', 'torch'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_reader_that_stops_early_gets_no_traceback(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", [3])
    command = f"{sys.executable} -m deltastream inspect {table} --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr


def test_a_closed_output_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", [3])
    for command in ("inspect", "plan"):
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m deltastream {command} {table} >&-"],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (1, "error: standard output is closed\n")
