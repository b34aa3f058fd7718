"""Owns what a result says of where it was taken: command, versions, machine. No host names, no absolute paths."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

__all__ = ["command_line", "describe"]

_DISTRIBUTIONS = ("deltastream", "torch", "pyarrow", "deltalake", "numpy")


def describe() -> dict[str, object]:
    """Date, command, commit, versions, processor."""
    memory_nbytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": command_line(sys.argv),
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _DISTRIBUTIONS},
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(memory_nbytes / 2**30),
        "kernel": platform.release().partition("-")[0],
    }


def command_line(argv: list[str]) -> str:
    """The command as one types it again; of an absolute path only its last name is kept."""
    words = [Path(word).name if word.startswith("/") else word for word in argv[1:]]
    return " ".join(["python -m perf", *words])


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    folder = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
