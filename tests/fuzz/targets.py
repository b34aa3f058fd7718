"""The tables that are damaged, each in one kind of its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random

import deltalake
import pyarrow as pa

from tests.fuzz import mutate
from tests.support.logs import LogFolder, add, metadata, protocol
from tests.support.vectors import DataFile, numbered_files, write_files_with_vectors

__all__ = ["Target", "write_targets"]


@dataclass(frozen=True, slots=True)
class Target:
    """Files of one table, any of which is damaged in one way."""

    name: str
    root: Path
    files: tuple[Path, ...]
    mutate: Callable[[bytes, Random], bytes]


def write_targets(folder: Path) -> list[Target]:
    """Write the tables below `folder`."""
    plain = _written(folder / "plain")
    checked = _checkpointed(folder / "checkpoint")
    parquet, text = _v2(folder / "v2-parquet", "parquet"), _v2(folder / "v2-json", "json")
    stored = write_files_with_vectors(folder / "vector", _files())
    inline = write_files_with_vectors(folder / "inline", _files(), kind="i")
    data = tuple(plain.rglob("*.parquet"))
    return [
        Target("commit", plain, _named(plain, "*.json"), mutate.mutate_json),
        Target("footer", plain, data, mutate.mutate_footer),
        Target("page", plain, data, mutate.mutate_pages),
        Target(
            "checkpoint", checked, _named(checked, "*.checkpoint.parquet"), mutate.mutate_checkpoint
        ),
        Target("last checkpoint", checked, _named(checked, "_last_checkpoint"), mutate.mutate_json),
        Target(
            "v2 checkpoint", parquet, _named(parquet, "*.checkpoint.*"), mutate.mutate_checkpoint
        ),
        Target("v2 json checkpoint", text, _named(text, "*.checkpoint.*"), mutate.mutate_json),
        Target("sidecar", text, _named(text, "_sidecars/*"), mutate.mutate_checkpoint),
        Target("vector file", stored, tuple(stored.glob("*.bin")), mutate.mutate_bytes),
        Target("vector commit", stored, _named(stored, "*.json"), mutate.mutate_json),
        Target("inline vector", inline, _named(inline, "*.json"), mutate.mutate_json),
    ]


def _named(root: Path, pattern: str) -> tuple[Path, ...]:
    found = tuple(sorted((root / "_delta_log").glob(pattern)))
    assert found, (root, pattern)
    return found


def _rows(start: int) -> pa.Table:
    ids = range(start, start + 30)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "small": pa.array([i % 100 if i % 4 else None for i in ids], pa.int8()),
            "x": pa.array([i / 7 for i in ids], pa.float64()),
            "flag": [i % 3 == 0 for i in ids],
            "text": [f"text {i % 5}" if i % 6 else None for i in ids],
            "bytes": pa.array([bytes([i % 256]) * (i % 4) for i in ids], pa.binary()),
            "day": [date(2020, 1, 1 + i % 28) for i in ids],
            "at": pa.array([datetime(2020, 1, 1, i % 24, tzinfo=UTC) for i in ids], pa.timestamp("us", "UTC")),
            "price": pa.array([Decimal(i).scaleb(-2) for i in ids], pa.decimal128(12, 2)),
            "list": pa.array([[i] * (i % 3) for i in ids], pa.list_(pa.int32())),
            "struct": [{"a": i, "b": {"c": str(i)}} if i % 5 else None for i in ids],
            "map": pa.array([[("k", i)] for i in ids], pa.map_(pa.string(), pa.int64())),
            "part": [f"p{i % 2}" for i in ids],
        }
    )  # fmt: skip


def _written(root: Path) -> Path:
    properties = deltalake.WriterProperties(max_row_group_size=10, write_batch_size=10)
    for start in (0, 30):
        deltalake.write_deltalake(
            root, _rows(start), mode="append", partition_by=["part"], writer_properties=properties
        )
    return root


def _checkpointed(root: Path) -> Path:
    table = deltalake.DeltaTable(_written(root))
    table.create_checkpoint()
    # Nothing but the checkpoint leads to the version.
    for path in (root / "_delta_log").glob("*.json"):
        path.unlink()
    return root


def _v2(root: Path, suffix: str) -> Path:
    rows = numbered_files([40, 40], [None, None])
    write_files_with_vectors(root / "data", rows)
    log = LogFolder(root)
    adds = [
        add(
            f"data/{path.name}",
            modified_ms=number,
            size=path.stat().st_size,
            stats='{"numRecords": 40}',
        )
        for number, path in enumerate(sorted((root / "data").glob("*.parquet")))
    ]
    fields = {"id": "long", "x": "float", "text": "string"}
    head = (protocol(3, ["v2Checkpoint"]), metadata(fields))
    name = f"80a083e8-7026-4e79-81be-64bd76c43a11.{suffix}"
    log.v2_checkpoint(3, *head, *adds, suffix=name, num_sidecars=2)
    return root


def _files() -> list[DataFile]:
    return numbered_files([100, 100, 50], [[0, 5, 99], list(range(0, 100, 2)), None])
