"""Writes Delta tables with deltalake, file by file, and says in which order they are to be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["add_actions", "base_ids", "data_files", "numbered", "write_files", "write_numbered"]


_Root = TypeVar("_Root", str, Path)


def write_files(
    root: _Root, parts: Sequence[pa.Table], *, row_group_rows: int = 64, **options: Any
) -> _Root:
    """Append each part in a commit of its own: one file each, unless the table is partitioned.

    `root` is a folder, or a URI that `storage_options` leads to.
    """
    properties = deltalake.WriterProperties(
        max_row_group_size=row_group_rows, write_batch_size=row_group_rows
    )
    for part in parts:
        deltalake.write_deltalake(
            root, part, mode="append", writer_properties=properties, **options
        )
    return root


def numbered(start: int, stop: int) -> pa.Table:
    """Rows whose every value follows from `id`."""
    ids = pa.array(range(start, stop), pa.int64())
    return pa.table({"id": ids, "x": ids.cast(pa.float32()), "text": ids.cast(pa.string())})


def write_numbered(root: Path, sizes: Sequence[int], *, row_group_rows: int = 64) -> Path:
    """Write a file per size; ids count on from file to file."""
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    parts = [numbered(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    return write_files(root, parts, row_group_rows=row_group_rows)


def add_actions(root: Path) -> list[dict[str, Any]]:
    """The live files as deltalake knows them, in base order; paths relative and decoded."""
    actions = pa.table(deltalake.DeltaTable(root).get_add_actions(flatten=True)).to_pylist()
    for action in actions:
        action["path"] = unquote(action["path"])
    return sorted(actions, key=lambda action: (action["modification_time"], action["path"]))


def data_files(root: Path) -> list[Path]:
    """The live files, in base order: the order in which an epoch without shuffle reads them."""
    return [root / action["path"] for action in add_actions(root)]


def base_ids(root: Path) -> list[int]:
    """The ids of a table without partitions, in the order of an epoch without shuffle."""
    found: list[int] = []
    for path in data_files(root):
        found += pq.read_table(path, columns=["id"]).column("id").to_pylist()
    return found
