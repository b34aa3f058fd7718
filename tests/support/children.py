"""Runs a script in a fresh interpreter, with warnings as errors, and tells how and when it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "run_script"]

_ROOT = Path(__file__).parents[2]
_LIMIT_S = 60.0
"""When a script is killed: it hangs."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended."""

    returncode: int
    out: str
    err: str
    since_ready_s: float
    """Seconds from the line ``ready`` to the end of the process."""


def run_script(
    path: Path,
    source: str,
    *arguments: object,
    interrupt: bool = False,
    group: bool = False,
    limit_s: float = _LIMIT_S,
) -> Ended:
    """Run `source`, kept in `path`, until it ends. It prints ``ready`` when it gets to what is tested.

    With `interrupt` it gets a Ctrl-C then; with `group` so do its children, as from a terminal.
    """
    path.write_text(source)
    errors = path.with_suffix(".err")
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(path), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line == "ready\n":
                    break
            ready = time.monotonic()
            if interrupt and process.poll() is None:
                (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=limit_s)
            since_ready_s = time.monotonic() - ready
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"still running {limit_s} s after: {''.join(lines)!r}") from error
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended, and so did its children
            process.wait()
    out = "".join(lines) + rest
    return Ended(process.returncode, out, errors.read_text(), since_ready_s)
