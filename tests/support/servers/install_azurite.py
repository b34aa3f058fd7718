"""Installs Azurite beside this interpreter, exactly as the lock file has it; says why where it cannot.

Ends with 0 where npm's registry cannot be reached: the tests of Azure then skip, and fail where `CI` is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.servers.azurite import PROGRAM, node_folder

__all__ = ["main"]

_LOCK = Path(__file__).with_name("azurite_lock")
_LIMIT_S = 300.0
_REASON_LENGTH = 300


def main() -> None:
    folder = Path(sys.prefix, "share/azurite")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_LOCK / name, folder / name)
    node = node_folder()
    npm = node / "lib/node_modules/npm/bin/npm-cli.js"
    command = [node / "bin/node", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    options = ["--loglevel=error", "--fetch-timeout=30000"]
    options += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        done = subprocess.run(
            [*command, *options],
            cwd=folder,
            env={**os.environ, "PATH": f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
        )
        reason = "" if done.returncode == 0 else done.stderr.strip()[:_REASON_LENGTH]
    except subprocess.TimeoutExpired:
        reason = f"npm took over {_LIMIT_S} s"
    if reason:
        shutil.rmtree(folder)
        sys.stderr.write(f"no Azurite, and no tests on Azure: {reason}\n")
    else:
        assert PROGRAM.is_file()


if __name__ == "__main__":
    main()
