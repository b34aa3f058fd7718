"""However a process ends in the middle of an epoch, it ends soon, with its own exit code and nothing on stderr."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.children import Ended, run_script
from tests.support.tables import write_numbered

END_LIMIT_S = 4.0
"""A second, the transform that runs, the interpreter's own exit; and a busy machine."""

START = """
import os, sys, threading, time
from torch.utils.data import DataLoader
from deltastream import FieldSpec, create_pytorch_dataloader

# torch imports its profiler at a process' first batch: a signal then ends an import, and not a wait of ours.
list(DataLoader([0]))

def loader(**options):
    arguments = {"fields": [FieldSpec("id")], "batch_size": 8, "shuffle": True} | options
    return create_pytorch_dataloader(sys.argv[1], num_workers=int(sys.argv[2]), **arguments)

def ready():
    print("ready", flush=True)

"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("exit") / "table", [500, 500, 500, 500])


def assert_soon(ended: Ended) -> None:
    assert ended.since_ready_s < END_LIMIT_S, ended


def assert_only_traceback(ended: Ended, last_line: str) -> None:
    """One traceback, perhaps with its causes, that ends as expected; nothing before it, nothing after it."""
    lines = ended.err.splitlines()
    assert lines, ended
    assert lines[0] == "Traceback (most recent call last):", ended.err
    assert lines[-1].startswith(last_line), ended.err
    assert "Exception ignored" not in ended.err


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_interpreter_may_end_in_the_middle_of_an_epoch(
    table: Path, tmp_path: Path, num_workers: int
) -> None:
    source = START + "batches = iter(loader())\nnext(batches)\nready()\n"
    ended = run_script(tmp_path / "script.py", source, table, num_workers)
    assert (ended.returncode, ended.err) == (0, "")
    assert_soon(ended)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_sys_exit_in_the_loop_keeps_its_code(table: Path, tmp_path: Path, num_workers: int) -> None:
    source = START + "for batch in loader():\n    ready()\n    sys.exit(3)\n"
    ended = run_script(tmp_path / "script.py", source, table, num_workers)
    assert (ended.returncode, ended.err) == (3, "")
    assert_soon(ended)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_exception_in_the_loop_ends_the_process_with_its_traceback_alone(
    table: Path, tmp_path: Path, num_workers: int
) -> None:
    source = START + "for batch in loader():\n    ready()\n    raise ValueError('mine')\n"
    ended = run_script(tmp_path / "script.py", source, table, num_workers)
    assert ended.returncode == 1
    assert_only_traceback(ended, "ValueError: mine")
    assert_soon(ended)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_exception_in_a_transform_ends_the_process_with_its_row(
    table: Path, tmp_path: Path, num_workers: int
) -> None:
    source = START + (
        "def fail(value):\n"
        "    if value == 123:\n"
        "        raise ValueError('mine')\n"
        "    return value\n"
        "ready()\n"
        "for batch in loader(fields=[FieldSpec('id', transform=fail)]):\n"
        "    pass\n"
    )
    ended = run_script(tmp_path / "script.py", source, table, num_workers)
    assert ended.returncode == 1
    assert "deltastream.errors.TransformError: " in ended.err
    assert "its transform raised ValueError: mine" in ended.err
    assert "Exception ignored" not in ended.err
    assert_soon(ended)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_ctrl_c_ends_the_wait_for_a_batch(table: Path, tmp_path: Path, num_workers: int) -> None:
    # Row groups of 64 rows, of which one or two wait in a transform now.
    source = START + (
        "def wait(value):\n"
        "    ready()\n"
        "    time.sleep(0.02)\n"
        "    return value\n"
        "next(iter(loader(fields=[FieldSpec('id', transform=wait)], decode_threads=1)))\n"
    )
    ended = run_script(
        tmp_path / "script.py", source, table, num_workers, interrupt=True, group=True
    )
    assert ended.returncode == -signal.SIGINT, ended.err
    assert_only_traceback(ended, "KeyboardInterrupt")
    assert_soon(ended)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_ctrl_c_ends_the_process_while_the_consumer_computes(
    table: Path, tmp_path: Path, num_workers: int
) -> None:
    source = START + "for batch in loader():\n    ready()\n    time.sleep(60)\n"
    ended = run_script(
        tmp_path / "script.py", source, table, num_workers, interrupt=True, group=True
    )
    assert ended.returncode == -signal.SIGINT, ended.err
    assert_only_traceback(ended, "KeyboardInterrupt")
    assert_soon(ended)


def test_of_a_transform_only_the_call_that_runs_is_waited_for(table: Path, tmp_path: Path) -> None:
    source = START + (
        "def wait(value):\n"
        "    ready()\n"
        "    time.sleep(0.1)\n"
        "    return value\n"
        "batches = iter(loader(fields=[FieldSpec('id', transform=wait)], decode_threads=2))\n"
        "time.sleep(0.1)\n"
    )
    ended = run_script(tmp_path / "script.py", source, table, 0)
    assert (ended.returncode, ended.err) == (0, "")
    assert_soon(ended)


def test_a_process_that_catches_ctrl_c_has_no_thread_and_no_file_left(
    table: Path, tmp_path: Path
) -> None:
    source = START + (
        "def files():\n"
        "    return sorted(os.listdir('/proc/self/fd'))\n"
        "def train():\n"
        "    for batch in loader():\n"
        "        ready()\n"
        "        time.sleep(60)\n"
        "list(loader())\n"
        "before = files()\n"
        "try:\n"
        "    train()\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"
        "names = [t.name for t in threading.enumerate() if t is not threading.main_thread()]\n"
        "assert not names, names\n"
        "assert files() == before, (before, files())\n"
        "assert len(list(loader())) == 250\n"
        "print('went on')\n"
    )
    ended = run_script(tmp_path / "script.py", source, table, 0, interrupt=True)
    assert (ended.returncode, ended.err) == (0, "")
    assert ended.out.endswith("went on\n")
    assert_soon(ended)


def test_a_process_that_is_forked_while_an_iterator_is_open_ends_and_so_does_its_parent(
    table: Path, tmp_path: Path
) -> None:
    source = START + (
        "import warnings\n"
        "warnings.filterwarnings('ignore', message='.*multi-threaded.*')\n"
        "batches = iter(loader())\n"
        "next(batches)\n"
        "ready()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    assert len(list(loader())) == 250\n"
        "    sys.exit(7)\n"
        "_, status = os.waitpid(child, 0)\n"
        "assert os.waitstatus_to_exitcode(status) == 7, status\n"
        "assert len(list(batches)) == 249\n"
    )
    ended = run_script(tmp_path / "script.py", source, table, 0)
    assert (ended.returncode, ended.err) == (0, "")
    assert_soon(ended)


def test_workers_may_be_forked_while_an_iterator_is_open(table: Path, tmp_path: Path) -> None:
    source = START + (
        "import warnings\n"
        "warnings.filterwarnings('ignore', message='.*multi-threaded.*')\n"
        "with_workers = loader()\n"
        "sys.argv[2] = '0'\n"
        "batches = iter(loader())\n"
        "next(batches)\n"
        "ready()\n"
        "assert len(list(with_workers)) == 250\n"
        "assert len(list(batches)) == 249\n"
    )
    ended = run_script(tmp_path / "script.py", source, table, 2)
    assert (ended.returncode, ended.err) == (0, "")
    assert_soon(ended)
