"""Damaged logs, checkpoints, deletion vectors and Parquet files: a typed error or a result, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BATCH = 500
"""Mutations of one process."""


def test_damage_gives_a_typed_error_or_a_result(tmp_path: Path, seed: int, stress: bool) -> None:
    num_mutations = 10_000 if stress else 1_000
    found = list(mutations(tmp_path, seed, num_mutations))
    tally = Counter((one["target"], one["outcome"], one["detail"][:40]) for one in found)
    for key, count in sorted(tally.items()):
        print(count, *key)
    wrong = [one for one in found if one["outcome"] not in ("read", "refused")]
    assert not wrong, "\n\n".join(
        f"{one['number']} {one['target']}: {one['detail']}" for one in wrong
    )
    assert len(found) == num_mutations
    # Otherwise it damages nothing that is looked at, or never leaves anything to be read.
    for target in {one["target"] for one in found}:
        outcomes = {one["outcome"] for one in found if one["target"] == target}
        assert "refused" in outcomes or target == "last checkpoint", target


def mutations(folder: Path, seed: int, stop: int) -> Iterator[dict[str, Any]]:
    """Yield what each mutation came to; a process that dies is the outcome of the one it was at."""
    start = 0
    while start < stop:
        begun: dict[str, Any] | None = None
        process = run(folder / f"from-{start}", seed, start, min(start + BATCH, stop))
        for line in process.stdout.splitlines():
            told = json.loads(line)
            begun = None if "outcome" in told else told
            if begun is None:
                start = told["number"] + 1
                yield told
        if process.returncode != 0:
            assert begun is not None, process.stderr
            detail = f"the process ended with {process.returncode}\n{process.stderr[-6000:]}"
            yield {**begun, "outcome": "died", "detail": detail}
            start = begun["number"] + 1


def run(folder: Path, seed: int, start: int, stop: int) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    command = [sys.executable, "-m", "tests.fuzz.child", folder, seed, start, stop]
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
