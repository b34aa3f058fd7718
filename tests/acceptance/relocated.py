"""Copies of tables whose logs name files of another bucket: the prefix becomes a folder of the corpus."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["relocate"]

_REQUIRES = re.compile(r"absolute paths (\S+)<X>/ resolve to \.\./(\S+)<X>/")


def relocate(root: Path, requires: str, scratch: Path) -> Path:
    """Return a copy of `root` under `scratch` with absolute paths that lie in the corpus, as the manifest requires."""
    match = _REQUIRES.match(requires)
    assert match is not None, (
        f"{root}: the manifest requires what this suite does not know: {requires}"
    )
    prefix, folder = match[1], (root.parent / match[2]).as_uri()
    copy = scratch / root.name
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    for path in copy.rglob("*"):
        path.chmod(0o755)
        if path.suffix == ".json":
            path.write_text(path.read_text().replace(prefix, folder))
        elif ".checkpoint." in path.name:
            table = pq.read_table(path)
            rows = [_replace(row, prefix, folder) for row in table.to_pylist()]
            pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    return copy


def _replace(value: Any, prefix: str, folder: str) -> Any:
    if isinstance(value, str):
        return value.replace(prefix, folder)
    if isinstance(value, dict):
        return {key: _replace(item, prefix, folder) for key, item in value.items()}
    if isinstance(value, (list, tuple)):  # a map's entries are tuples
        return type(value)(_replace(item, prefix, folder) for item in value)
    return value
