"""Runs the command line as a user does: a new interpreter, its two streams and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Ran", "inspected", "run_command"]

_ROOT = Path(__file__).parents[2]
_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What ``--json`` printed."""
        assert self.code in (0, 1, 3), self.err
        document: dict[str, Any] = json.loads(self.out)
        return document


def run_command(*arguments: object, **environment: str) -> Ran:
    """Run ``python -m deltastream`` with `arguments`; warnings are errors there, too."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "deltastream", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(_ROOT), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=_LIMIT_S,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def inspected(*arguments: object) -> dict[str, Any]:
    """Return the document of ``inspect`` with `arguments`, which succeeds."""
    ran = run_command("inspect", *arguments, "--json")
    assert (ran.code, ran.err) == (0, "")
    return ran.document
