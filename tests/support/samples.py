"""Small tables with what a reader must get right: many files, partitions, vectors, mapped names, versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.logs import LogFolder, add, metadata, protocol
from tests.support.tables import numbered, write_files, write_numbered
from tests.support.vectors import numbered_files, write_files_with_vectors

__all__ = ["SAMPLES", "SIZES"]

SIZES = (310, 250, 400, 1, 130, 512, 64)
"""Rows of the files of "numbered"."""


def _numbered(root: Path) -> None:
    write_numbered(root, SIZES)
    deltalake.DeltaTable(root).create_checkpoint()
    write_files(root, [numbered(sum(SIZES), sum(SIZES) + 90)])


def _partitioned(root: Path) -> None:
    rows = numbered(0, 400)
    names = ["a b", "a%20b", "ü+&=", "c/d", None]
    parts = pa.array([names[i % len(names)] for i in range(400)], pa.string())
    write_files(root, [rows.append_column("part", parts)], partition_by=["part"])


def _vectors(root: Path) -> None:
    deleted = [[0, 5, 63, 64, 299], None, list(range(64, 128)), []]
    write_files_with_vectors(root, numbered_files([300, 10, 200, 64], deleted))


def _mapped(root: Path) -> None:
    """Column mapping by name: every file has other names than the table."""
    columns = [
        {
            "name": name,
            "type": type_,
            "nullable": True,
            "metadata": {
                "delta.columnMapping.id": number,
                "delta.columnMapping.physicalName": f"col-{number}",
            },
        }
        for number, (name, type_) in enumerate([("id", "long"), ("x", "float"), ("text", "string")])
    ]
    log = LogFolder(root)
    adds = []
    for number, (start, stop) in enumerate([(0, 150), (150, 400)]):
        rows = numbered(start, stop).rename_columns([f"col-{i}" for i in range(3)])
        path = root / f"part-{number}.parquet"
        pq.write_table(rows, path, row_group_size=64)
        stats = json.dumps({"numRecords": stop - start})
        adds.append(add(path.name, modified_ms=number, size=path.stat().st_size, stats=stats))
    configuration = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "3"}
    table = metadata(columns=columns, configuration=configuration)
    log.commit(0, protocol(2), table, *adds)


def _rewritten(root: Path) -> None:
    """Every version has other rows: appended, overwritten, deleted from."""
    write_numbered(root, [200, 100])
    deltalake.write_deltalake(root, numbered(1000, 1120), mode="overwrite")
    deltalake.DeltaTable(root).delete("id % 3 = 0")


SAMPLES: dict[str, Callable[[Path], None]] = {
    "numbered": _numbered,
    "partitioned": _partitioned,
    "vectors": _vectors,
    "mapped": _mapped,
    "rewritten": _rewritten,
}
"""By name, what writes the table; each has a unique `id`, from which `x` and `text` follow."""
