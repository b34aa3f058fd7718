"""Owns tables of many files: one Parquet file linked many times, under a log as Delta writers leave it.

The log is a checkpoint of all but the last add action, and a commit with that one; Delta PROTOCOL.md, "Checkpoints".
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["fabricate_table"]

NUM_ROWS = 1_200
"""Rows of each file."""
_CHECKPOINT_VERSION = 10
_FIRST_MODIFIED_MS = 1_700_000_000_000
_ADDS_PER_GROUP = 50_000

_STRINGS = pa.map_(pa.string(), pa.string())
_FORMAT = pa.struct([("provider", pa.string()), ("options", _STRINGS)])
_VECTOR = pa.struct(
    [
        ("storageType", pa.string()),
        ("pathOrInlineDv", pa.string()),
        ("offset", pa.int32()),
        ("sizeInBytes", pa.int32()),
        ("cardinality", pa.int64()),
    ]
)
_CHECKPOINT = pa.schema(
    [
        (
            "protocol",
            pa.struct(
                [
                    ("minReaderVersion", pa.int32()),
                    ("minWriterVersion", pa.int32()),
                    ("readerFeatures", pa.list_(pa.string())),
                    ("writerFeatures", pa.list_(pa.string())),
                ]
            ),
        ),
        (
            "metaData",
            pa.struct(
                [
                    ("id", pa.string()),
                    ("format", _FORMAT),
                    ("schemaString", pa.string()),
                    ("partitionColumns", pa.list_(pa.string())),
                    ("configuration", _STRINGS),
                    ("createdTime", pa.int64()),
                ]
            ),
        ),
        (
            "add",
            pa.struct(
                [
                    ("path", pa.string()),
                    ("partitionValues", _STRINGS),
                    ("size", pa.int64()),
                    ("modificationTime", pa.int64()),
                    ("dataChange", pa.bool_()),
                    ("stats", pa.string()),
                    ("deletionVector", _VECTOR),
                ]
            ),
        ),
    ]
)


def fabricate_table(
    path: Path,
    *,
    num_files: int,
    num_columns: int,
    with_files: bool,
    one_vector_in: int | None = None,
) -> Path:
    """Write a table of `num_files` files and `num_columns` float columns with statistics, if it is not there.

    Without files, only the log is there: enough to open and plan, not to read.

    Args:
        one_vector_in: Every so many-th file has a deletion vector, of which the log alone knows; None: none has.
    """
    if (path / "complete").exists():
        return path
    shutil.rmtree(path, ignore_errors=True)
    log = path / "_delta_log"
    log.mkdir(parents=True)
    names = [f"f{index}" for index in range(num_columns)]
    nbytes = _write_files(path, names, num_files) if with_files else 100_000

    checkpoint = log / f"{_CHECKPOINT_VERSION:020d}.checkpoint.parquet"
    with pq.ParquetWriter(checkpoint, _CHECKPOINT) as writer:
        writer.write_table(
            pa.Table.from_pylist(
                _head(names, has_vectors=one_vector_in is not None), schema=_CHECKPOINT
            )
        )
        for start in range(0, num_files - 1, _ADDS_PER_GROUP):
            stop = min(start + _ADDS_PER_GROUP, num_files - 1)
            adds = [{"add": add} for add in _adds(names, start, stop, nbytes, one_vector_in)]
            writer.write_table(pa.Table.from_pylist(adds, schema=_CHECKPOINT))
    hint = {"version": _CHECKPOINT_VERSION, "size": num_files + 1}
    (log / "_last_checkpoint").write_text(json.dumps(hint))
    last = next(_adds(names, num_files - 1, num_files, nbytes, None))
    last["partitionValues"] = {}
    del last["deletionVector"]
    commit = [
        {"commitInfo": {"timestamp": last["modificationTime"], "operation": "WRITE"}},
        {"add": last},
    ]
    lines = "".join(json.dumps(action) + "\n" for action in commit)
    (log / f"{_CHECKPOINT_VERSION + 1:020d}.json").write_text(lines)
    (path / "complete").touch()
    return path


def _write_files(path: Path, names: list[str], num_files: int) -> int:
    """Write the first file and link the others to it; the bytes of each."""
    generator = np.random.default_rng(0)
    table = pa.table({name: generator.random(NUM_ROWS, dtype=np.float32) for name in names})
    first = path / _file_name(0)
    pq.write_table(table, first)
    for index in range(1, num_files):
        os.link(first, path / _file_name(index))
    return first.stat().st_size


def _file_name(index: int) -> str:
    return f"part-{index:07d}-5f2c9a34-7f1e-4c3b-9a55-0d9b6f1e2c77-c000.snappy.parquet"


def _head(names: list[str], *, has_vectors: bool) -> list[dict[str, object]]:
    fields = [{"name": name, "type": "float", "nullable": True, "metadata": {}} for name in names]
    meta_data = {
        "id": "5f2c9a34-7f1e-4c3b-9a55-0d9b6f1e2c77",
        "format": {"provider": "parquet", "options": []},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": [],
        "configuration": [],
        "createdTime": _FIRST_MODIFIED_MS,
    }
    protocol: dict[str, object] = {"minReaderVersion": 1, "minWriterVersion": 2}
    if has_vectors:
        features = ["deletionVectors"]
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
        protocol |= {"readerFeatures": features, "writerFeatures": features}
    return [{"protocol": protocol}, {"metaData": meta_data}]


def _adds(
    names: list[str], start: int, stop: int, nbytes: int, one_vector_in: int | None
) -> Iterator[dict[str, object]]:
    low, high, nulls = (_of_all(names, text) for text in ("%.7f", "%.7f", "0"))
    lows = np.random.default_rng(start).random((stop - start, len(names))) * 1e-3
    for index, low_values in zip(range(start, stop), lows, strict=True):
        values = tuple(low_values.tolist())
        bounds = f'"minValues":{low % values},"maxValues":{high % tuple(1 - v for v in values)}'
        has_vector = one_vector_in is not None and index % one_vector_in == 0
        yield {
            "path": _file_name(index),
            "partitionValues": [],
            "size": nbytes,
            "modificationTime": _FIRST_MODIFIED_MS + index * 1_000,
            "dataChange": True,
            "stats": f'{{"numRecords":{NUM_ROWS},{bounds},"nullCount":{nulls}}}',
            "deletionVector": _vector(index) if has_vector else None,
        }


def _vector(index: int) -> dict[str, object]:
    """Return a descriptor as Spark writes it: many vectors in one file, whose name is 20 characters of base 85."""
    file, number = divmod(index, 1_000)
    name = f"{file:020d}"
    return dict(zip(_VECTOR.names, ("u", name, 1 + 50 * number, 42, 12), strict=True))


def _of_all(names: list[str], value: str) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name in names) + "}"
