"""What the import contracts cannot see: what an import does when it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run_fresh(code: str) -> str:
    """Return what `code` prints in a new interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("room", ["log", "plan", "fetch", "decode", "storage"])
def test_reading_a_log_and_planning_import_no_torch(room: str) -> None:
    code = f"import sys, deltastream.{room}; print('torch' in sys.modules)"
    assert run_fresh(code) == "False"


def test_importing_starts_no_thread() -> None:
    code = "import threading, deltastream; print(threading.active_count())"
    assert run_fresh(code) == "1"
