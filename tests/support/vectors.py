"""Writes Delta tables with deletion vectors by hand, for deltalake cannot."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyroaring import BitMap64

from tests.support.logs import LogFolder, add, metadata, protocol

__all__ = [
    "DataFile",
    "bitmap",
    "encode_z85",
    "inline_vector",
    "live_ids",
    "numbered_files",
    "stored_vector",
    "vector_file",
    "write_files_with_vectors",
]

MAGIC = 1681511377
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_TYPES = {
    pa.int32(): "integer",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.string(): "string",
    pa.binary(): "binary",
}


@dataclass(frozen=True)
class DataFile:
    """A file to be written, and which of its rows are deleted; None: it has no vector, which an empty list has."""

    rows: pa.Table
    deleted: Sequence[int] | None = None
    row_group_rows: int = 64
    has_statistics: bool = True


def encode_z85(data: bytes) -> str:
    """Bytes as text, padded to a multiple of four with zeros."""
    words = [int.from_bytes(data[i : i + 4].ljust(4, b"\0"), "big") for i in range(0, len(data), 4)]
    return "".join(_Z85[word // 85**power % 85] for word in words for power in range(4, -1, -1))


def bitmap(rows: Iterable[int], *, magic: int = MAGIC) -> bytes:
    """Deleted rows as the protocol's "Deletion Vector Format"."""
    return magic.to_bytes(4, "little") + BitMap64(list(rows)).serialize()


def vector_file(bitmaps: Sequence[bytes], *, gap_nbytes: int = 0) -> tuple[bytes, list[int]]:
    """Bitmaps as the protocol's "Deletion Vector File Storage Format", and the offset of each."""
    data = b"\1"
    offsets = []
    for one in bitmaps:
        offsets.append(len(data))
        data += len(one).to_bytes(4, "big") + one + zlib.crc32(one).to_bytes(4, "big")
        data += bytes(gap_nbytes)
    return data, offsets


def inline_vector(rows: Sequence[int]) -> dict[str, Any]:
    """The descriptor of rows that are listed in the log itself."""
    data = bitmap(rows)
    return {
        "storageType": "i",
        "pathOrInlineDv": encode_z85(data),
        "sizeInBytes": len(data),
        "cardinality": len(set(rows)),
    }


def stored_vector(
    rows: Sequence[int], offset: int, *, uuid: UUID, prefix: str = "", root: Path | None = None
) -> dict[str, Any]:
    """The descriptor of rows that are listed in the file of that `uuid`; with `root`, by its absolute path."""
    name = f"deletion_vector_{uuid}.bin"
    path = Path(prefix) / name if prefix else Path(name)
    absolute = None if root is None else "file://" + quote(str(root / path))
    return {
        "storageType": "u" if absolute is None else "p",
        "pathOrInlineDv": absolute or prefix + encode_z85(uuid.bytes),
        "offset": offset,
        "sizeInBytes": len(bitmap(rows)),
        "cardinality": len(set(rows)),
    }


def write_files_with_vectors(
    root: Path, files: Sequence[DataFile], *, kind: str = "u", prefix: str = ""
) -> Path:
    """Write a table of these files, in this order, in one commit.

    `kind` is the storage type of every vector; those that are stored share one file.
    """
    log = LogFolder(root)
    uuid = uuid4()
    vectors = [list(file.deleted) for file in files if file.deleted is not None]
    data, offsets = vector_file([bitmap(rows) for rows in vectors])
    if kind != "i" and vectors:
        (root / prefix).mkdir(exist_ok=True)
        (root / prefix / f"deletion_vector_{uuid}.bin").write_bytes(data)
    left = iter(offsets)
    actions = []
    for number, file in enumerate(files):
        name = f"part-{number:05d}.parquet"
        pq.write_table(file.rows, root / name, row_group_size=file.row_group_rows)
        more: dict[str, Any] = {"size": (root / name).stat().st_size}
        if file.has_statistics:
            more["stats"] = json.dumps({"numRecords": file.rows.num_rows, "tightBounds": False})
        if file.deleted is not None:
            more["deletionVector"] = (
                inline_vector(file.deleted)
                if kind == "i"
                else stored_vector(
                    file.deleted,
                    next(left),
                    uuid=uuid,
                    prefix=prefix,
                    root=root if kind == "p" else None,
                )
            )
        actions.append(add(name, modified_ms=number, **more))
    fields = {field.name: _delta_type(field.type) for field in files[0].rows.schema}
    log.commit(0, protocol(3, ["deletionVectors"]), metadata(fields), *actions)
    return root


def numbered_files(
    sizes: Sequence[int], deleted: Sequence[Sequence[int] | None], **options: Any
) -> list[DataFile]:
    """Files of that many rows whose every value follows from `id`, which counts on from file to file."""
    files = []
    start = 0
    for size, rows in zip(sizes, deleted, strict=True):
        ids = pa.array(range(start, start + size), pa.int64())
        table = pa.table({"id": ids, "x": ids.cast(pa.float32()), "text": ids.cast(pa.string())})
        files.append(DataFile(table, rows, **options))
        start += size
    return files


def live_ids(files: Sequence[DataFile]) -> list[int]:
    """The ids that are not deleted, in file order."""
    found = []
    for file in files:
        gone = set(file.deleted or ())
        ids = file.rows.column("id").to_pylist()
        found += [id_ for row, id_ in enumerate(ids) if row not in gone]
    return found


def _delta_type(type_: pa.DataType) -> Any:
    if pa.types.is_list(type_):
        inner = _delta_type(type_.value_type)
        return {"type": "array", "elementType": inner, "containsNull": True}
    return _TYPES[type_]
