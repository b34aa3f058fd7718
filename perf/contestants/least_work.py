"""Owns the least that a reader must do before its first batch, by hand with pyarrow: log, one footer, one row group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Read the log's live files, with their sizes, times and statistics; a pass reads the oldest file.

    The option ``with_deltalake`` has deltalake read the log.
    """
    table = Path(job.path)
    adds = _adds_of_deltalake(table) if job.options.get("with_deltalake") else _adds(table)
    first = table / adds.sort_by([("time", "ascending"), ("path", "ascending")])["path"][0].as_py()

    def epoch() -> Iterator[int]:
        with pq.ParquetFile(first, memory_map=True) as reader:
            yield reader.read_row_group(0, columns=list(job.columns)).num_rows

    return epoch


def _adds_of_deltalake(table: Path) -> pa.Table:
    actions = pa.table(DeltaTable(table).get_add_actions())
    return actions.rename_columns({"modification_time": "time"})


def _adds(table: Path) -> pa.Table:
    """Read a checkpoint, if there is one, and the commits after it, none of which removes a file."""
    log = table / "_delta_log"
    names = sorted(path.name for path in log.iterdir())
    version = -1
    paths: list[str] = []
    times: list[int] = []
    if (log / "_last_checkpoint").exists():
        version = json.loads((log / "_last_checkpoint").read_text())["version"]
        wanted = ["path", "size", "modificationTime", "stats"]
        with pq.ParquetFile(log / f"{version:020d}.checkpoint.parquet", memory_map=True) as reader:
            columns = [f"add.{name}" for name in wanted]
            adds = reader.read(columns)["add"].combine_chunks().drop_null()
        paths += pc.struct_field(adds, "path").to_pylist()
        times += pc.struct_field(adds, "modificationTime").to_pylist()
    for name in names:
        if name.endswith(".json") and int(name[:20]) > version:
            for line in (log / name).read_text().splitlines():
                add = json.loads(line).get("add")
                if add is not None:
                    paths.append(add["path"])
                    times.append(add["modificationTime"])
    return pa.table({"path": paths, "time": times})
