"""Runs a script on several ranks under torchrun, and collects what each rank leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RanksEnded", "run_ranks"]

_ROOT = Path(__file__).parents[2]

_PREAMBLE = """
import json, os, sys, warnings
from pathlib import Path
folder = Path(sys.argv[1])
rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])

def leave(value):
    (folder / f"rank-{rank}.json").write_text(json.dumps(value))

"""


@dataclass(frozen=True, slots=True)
class RanksEnded:
    """How torchrun ended."""

    returncode: int
    left: list[Any]
    """What each rank gave to ``leave``; None for one that did not."""
    err: str


def run_ranks(
    folder: Path,
    source: str,
    num_ranks: int,
    *arguments: object,
    max_restarts: int = 0,
    strict: bool = True,
    limit_s: float = 100.0,
) -> RanksEnded:
    """Run `source` on `num_ranks` ranks, with warnings as errors if `strict`.

    It finds `folder`, `rank`, `world_size` and the `arguments` (from ``sys.argv[2]`` on), and gives its result to
    ``leave``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "script.py"
    script.write_text(_PREAMBLE + source)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={num_ranks}", f"--max-restarts={max_restarts}"]
    process = subprocess.Popen(
        [
            *command,
            "--no-python",
            sys.executable,
            *(["-W", "error"] if strict else []),
            script,
            folder,
            *map(str, arguments),
        ],
        env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        out, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        # The agent ends its workers, which are no children of ours.
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        raise AssertionError(f"still running after {limit_s} s:\n{out}") from error
    files = [folder / f"rank-{rank}.json" for rank in range(num_ranks)]
    left = [json.loads(file.read_text()) if file.exists() else None for file in files]
    return RanksEnded(process.returncode, left, out)
