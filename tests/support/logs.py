"""Writes Delta logs by hand, action by action, and reads them back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.log import read_snapshot
from deltastream.storage import open_storage
from deltastream.types import Snapshot

__all__ = [
    "CHECKPOINT",
    "SIDECAR",
    "UUID",
    "VECTOR",
    "Action",
    "LogFolder",
    "add",
    "commit_info",
    "metadata",
    "protocol",
    "read",
    "remove",
    "schema_string",
]

Action = dict[str, Any]

_STRINGS = pa.map_(pa.string(), pa.string())
VECTOR: dict[str, Any] = {
    "storageType": "u",
    "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^",
    "offset": 4,
    "sizeInBytes": 40,
    "cardinality": 6,
}
"""A deletion vector's descriptor, from PROTOCOL.md."""

_VECTOR_TYPE = pa.struct(
    [
        ("storageType", pa.string()),
        ("pathOrInlineDv", pa.string()),
        ("offset", pa.int32()),
        ("sizeInBytes", pa.int32()),
        ("cardinality", pa.int64()),
    ]
)
_ADD = [
    ("path", pa.string()),
    ("partitionValues", _STRINGS),
    ("size", pa.int64()),
    ("modificationTime", pa.int64()),
    ("dataChange", pa.bool_()),
    ("stats", pa.string()),
    ("stats_parsed", pa.struct([("numRecords", pa.int64())])),
    ("deletionVector", _VECTOR_TYPE),
]
CHECKPOINT = pa.schema(
    [
        ("add", pa.struct(_ADD)),
        ("remove", pa.struct([("path", pa.string()), ("deletionVector", _VECTOR_TYPE)])),
        (
            "metaData",
            pa.struct(
                [
                    ("id", pa.string()),
                    ("format", pa.struct([("provider", pa.string()), ("options", _STRINGS)])),
                    ("schemaString", pa.string()),
                    ("partitionColumns", pa.list_(pa.string())),
                    ("configuration", _STRINGS),
                ]
            ),
        ),
        (
            "protocol",
            pa.struct(
                [
                    ("minReaderVersion", pa.int32()),
                    ("minWriterVersion", pa.int32()),
                    ("readerFeatures", pa.list_(pa.string())),
                ]
            ),
        ),
        ("checkpointMetadata", pa.struct([("version", pa.int64())])),
        ("sidecar", pa.struct([("path", pa.string())])),
    ]
)
SIDECAR = pa.schema([CHECKPOINT.field("add"), CHECKPOINT.field("remove")])
UUID = "80a083e8-7026-4e79-81be-64bd76c43a11"


def schema_string(fields: Mapping[str, Any]) -> str:
    columns = [
        {"name": name, "type": type_, "nullable": True, "metadata": {}}
        for name, type_ in fields.items()
    ]
    return json.dumps({"type": "struct", "fields": columns})


def protocol(reader: int = 1, features: Sequence[str] | None = None) -> Action:
    action: Action = {"minReaderVersion": reader, "minWriterVersion": 2}
    if features is not None:
        action["readerFeatures"] = list(features)
    return {"protocol": action}


def metadata(
    fields: Mapping[str, Any] | None = None,
    *,
    columns: Sequence[Mapping[str, Any]] | None = None,
    partition_columns: Sequence[str] = (),
    configuration: Mapping[str, str] | None = None,
    table_id: str = "a-table",
) -> Action:
    """A metaData action; `fields` are plain nullable columns, `columns` any, as the schema has them."""
    schema = schema_string(fields or {"x": "long"})
    if columns is not None:
        schema = json.dumps({"type": "struct", "fields": list(columns)})
    return {
        "metaData": {
            "id": table_id,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema,
            "partitionColumns": list(partition_columns),
            "configuration": dict(configuration or {}),
        }
    }


def add(path: str, *, modified_ms: int = 0, stats: str | None = None, **more: Any) -> Action:
    action = {
        "path": path,
        "partitionValues": {},
        "size": 1,
        "modificationTime": modified_ms,
        "dataChange": True,
        "stats": stats,
    }
    return {"add": action | more}


def remove(path: str, **more: Any) -> Action:
    return {"remove": {"path": path, "dataChange": True} | more}


def commit_info(in_commit_ms: int | None = None) -> Action:
    content: Action = {"operation": "WRITE"}
    if in_commit_ms is not None:
        content["inCommitTimestamp"] = in_commit_ms
    return {"commitInfo": content}


class LogFolder:
    """The ``_delta_log`` of the table at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "_delta_log"
        self.log.mkdir(parents=True)

    def commit_path(self, version: int) -> Path:
        return self.log / f"{version:020d}.json"

    def checkpoint_path(self, version: int, suffix: str = "parquet") -> Path:
        return self.log / f"{version:020d}.checkpoint.{suffix}"

    def commit(self, version: int, *actions: Action, modified_ms: int | None = None) -> Path:
        path = self.commit_path(version)
        path.write_text("".join(json.dumps(action) + "\n" for action in actions))
        if modified_ms is not None:
            os.utime(path, ns=(modified_ms * 1_000_000, modified_ms * 1_000_000))
        return path

    def first_commit(self, *actions: Action, modified_ms: int | None = None) -> Path:
        """Commit 0 of a plain table."""
        return self.commit(0, protocol(), metadata(), *actions, modified_ms=modified_ms)

    def checkpoint(
        self,
        version: int,
        *actions: Action,
        num_parts: int | None = None,
        suffix: str = "parquet",
        schema: pa.Schema = CHECKPOINT,
        row_group_rows: int = 2,
    ) -> list[Path]:
        if num_parts is None:
            path = self.checkpoint_path(version, suffix)
            _write(path, actions, schema, row_group_rows)
            return [path]
        paths = []
        for part in range(num_parts):
            path = self.checkpoint_path(version, f"{part + 1:010d}.{num_parts:010d}.parquet")
            _write(path, actions[part::num_parts], schema, row_group_rows)
            paths.append(path)
        return paths

    def v2_checkpoint(
        self,
        version: int,
        *actions: Action,
        suffix: str = f"{UUID}.parquet",
        num_sidecars: int = 0,
        prefix: str = "",
    ) -> list[Path]:
        """Write a checkpoint of the V2 form; `prefix` comes before the names of its sidecars in the log."""
        files = [action for action in actions if "add" in action or "remove" in action]
        rest = [action for action in actions if action not in files]
        top = [{"checkpointMetadata": {"version": version}}, *rest]
        folder = self.log / "_sidecars"
        folder.mkdir(exist_ok=True)
        paths = [self.checkpoint_path(version, suffix)]
        for number in range(num_sidecars):
            # The size is not the file's, as some writers leave it.
            name = f"{version}-{number}.parquet"
            top.append({"sidecar": {"path": f"{prefix}{name}", "sizeInBytes": 1}})
            _write(folder / name, files[number::num_sidecars], SIDECAR, 2)
            paths.append(folder / name)
        _write(paths[0], top if num_sidecars else [*top, *files], CHECKPOINT, 2)
        return paths


def read(root: Path, **options: Any) -> Snapshot:
    """Read a snapshot on a loop and with threads of its own."""
    pool = DecodePool(2)

    async def run() -> Snapshot:
        storage = await open_storage(root, None, pool=pool)
        return await read_snapshot(storage, pool=pool, **options)

    try:
        return run_in_loop(run)
    finally:
        pool.close()


def _write(path: Path, actions: Sequence[Action], schema: pa.Schema, row_group_rows: int) -> None:
    if path.suffix == ".json":
        path.write_text("".join(json.dumps(action) + "\n" for action in actions))
        return
    table = pa.Table.from_pylist([_as_row(action) for action in actions], schema=schema)
    pq.write_table(table, path, row_group_size=row_group_rows)


def _as_row(action: Action) -> Action:
    ((name, content),) = action.items()
    # A map is a list of pairs in Arrow.
    pairs = ("partitionValues", "configuration", "options")
    changed = {
        key: list(value.items()) if key in pairs and isinstance(value, dict) else value
        for key, value in content.items()
    }
    if "format" in changed:
        changed["format"] = _as_row({"format": changed["format"]})["format"]
    return {name: changed}
