"""Owns the least that a reader must do before its first batch, by hand with pyarrow: log, one footer, one row group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Read the log's live files, with their sizes, times and statistics as text; a pass reads the oldest file."""
    table = Path(job.path)
    log = table / "_delta_log"
    version = json.loads((log / "_last_checkpoint").read_text())["version"]
    names = sorted(path.name for path in log.iterdir())
    checkpoint = log / f"{version:020d}.checkpoint.parquet"
    wanted = ["path", "size", "modificationTime", "stats"]
    with pq.ParquetFile(checkpoint, memory_map=True) as reader:
        adds = reader.read([f"add.{name}" for name in wanted])["add"].combine_chunks().drop_null()
    paths = pc.struct_field(adds, "path").to_pylist()
    times = pc.struct_field(adds, "modificationTime").to_pylist()
    for name in names:
        if name.endswith(".json") and int(name[:20]) > version:
            for line in (log / name).read_text().splitlines():
                action = json.loads(line)
                if "add" in action:
                    paths.append(action["add"]["path"])
                    times.append(action["add"]["modificationTime"])
    ordered = pa.table({"path": paths, "time": times}).sort_by([("time", "ascending")])
    first = table / ordered["path"][0].as_py()

    def epoch() -> Iterator[int]:
        with pq.ParquetFile(first, memory_map=True) as reader:
            yield reader.read_row_group(0, columns=list(job.columns)).num_rows

    return epoch
