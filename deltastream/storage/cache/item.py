"""Owns the file of one item: its data, its key, and a tail that proves that both are whole and belong together."""

from __future__ import annotations

import hashlib
import struct

import pyarrow as pa
import xxhash

__all__ = ["charged_nbytes", "file_name", "read_item", "trailer"]

_MAGIC = b"dscache1"
_FIELDS = struct.Struct("<QQQ")
"""Bytes of data, bytes of key, checksum of the data."""
_END = struct.Struct("<Q8s")
"""Checksum of key and fields, magic."""
_BLOCK_NBYTES = 4096


def file_name(key: bytes) -> str:
    """Return the path below the folder of items: one of 256 folders, and a name."""
    digest = hashlib.sha256(key).hexdigest()
    return f"{digest[:2]}/{digest[2:]}"


def charged_nbytes(file_nbytes: int) -> int:
    """Return what a file takes of the disk: whole blocks."""
    return -(-file_nbytes // _BLOCK_NBYTES) * _BLOCK_NBYTES


def trailer(key: bytes, data: bytes | memoryview) -> bytes:
    """Return what follows the data in the file."""
    fields = _FIELDS.pack(len(data), len(key), xxhash.xxh3_64_intdigest(data))
    return key + fields + _END.pack(xxhash.xxh3_64_intdigest(key + fields), _MAGIC)


def read_item(path: str, key: bytes) -> memoryview | None:
    """Map the data under `key`, or return None where the file is not, wholly, that item.

    Raises:
        OSError: There is no such file, or it is not readable.
    """
    # Arrow's map, unlike Python's, holds no descriptor: a budget of small items would use up all that a process has.
    with pa.memory_map(path) as file:
        # Arrow says that its bytes are signed; compared with bytes they would differ from 128 on.
        whole = memoryview(file.read_buffer()).cast("B")
    end_nbytes = len(key) + _FIELDS.size + _END.size
    if len(whole) < end_nbytes:
        return None
    data, end = whole[:-end_nbytes], whole[-end_nbytes:]
    # The whole end is compared, the key with it: a file under a wrong name is no item of this key.
    return data if end == trailer(key, data) else None
