"""Owns the environments of contestants that can't share ours: made once, in a cache folder."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["DEFAULT_CACHE", "deltatorch_python", "peers_python"]

DEFAULT_CACHE = Path(".perf")

# In steps, and torch first and pinned, so that the later ones can't choose another build of it. deltatorch 0.0.3
# names neither NumPy nor pandas among its requirements and needs both; deltalake 1.x it can't use.
_DELTATORCH_STEPS = (
    ("torch==2.13.0", "numpy"),
    ("deltatorch==0.0.3", "deltalake==0.25.5", "pyarrow", "pandas", "pillow", "evalidate"),
)


_PEERS_STEPS = (
    ("torch==2.13.0", "numpy"),
    ("deltalake", "pyarrow", "daft", "datasets", "s3fs", "ray[data]", "pydantic"),
)


def peers_python(cache: Path = DEFAULT_CACHE) -> Path:
    """The interpreter of an environment with the other loaders that read S3, made under `cache` if it is not there.

    Raises:
        subprocess.CalledProcessError: pip could not install it.
    """
    return _environment(cache, "peers", _PEERS_STEPS)


def deltatorch_python(cache: Path = DEFAULT_CACHE) -> Path:
    """The interpreter of an environment with deltatorch 0.0.3, made under `cache` if it is not there.

    Raises:
        subprocess.CalledProcessError: pip could not install it.
    """
    return _environment(cache, "deltatorch-0.0.3", _DELTATORCH_STEPS)


def _environment(cache: Path, name: str, steps: tuple[tuple[str, ...], ...]) -> Path:
    folder = (cache / name).absolute()
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making the environment {name} in {cache}", file=sys.stderr)
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        for step in steps:
            command = [str(python), "-m", "pip", "install", "--quiet", *step]
            subprocess.run(command, check=True, stdout=sys.stderr)
        (folder / "complete").touch()
    return python
