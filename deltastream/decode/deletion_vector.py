"""Owns the format of deletion vectors: from stored bytes to the rows that they delete, every check passed."""

from __future__ import annotations

import zlib

from pyroaring import BitMap64

from deltastream.errors import FileCorruptError, UnsupportedFeatureError
from deltastream.selection import RowSelection
from deltastream.types import DeletionVector, FileContext

__all__ = ["parse_deletion_vector"]

_FILE_VERSION = 1
_PORTABLE_MAGIC = 1_681_511_377
_NATIVE_MAGIC = 1_681_511_376
"""Spark's own format, from before the protocol had one."""


def parse_deletion_vector(
    stored: bytes, vector: DeletionVector, *, num_records: int, context: FileContext
) -> RowSelection:
    """Return the rows that a vector deletes from a file of `num_records` rows.

    `stored` is the bitmap of an inline vector, or else a vector file that holds this one alone.

    Raises:
        FileCorruptError: The bytes are not those of such a vector.
        UnsupportedFeatureError: They are in a format that the protocol does not have.
    """
    if vector.storage_type == "i" and not stored and vector.cardinality == 0:
        # What Spark writes where a file had a vector and has none any more.
        return RowSelection(BitMap64())
    bitmap = memoryview(stored) if vector.storage_type == "i" else _unframe(stored, vector, context)
    magic = int.from_bytes(bitmap[:4], "little")
    if magic == _NATIVE_MAGIC or int.from_bytes(bitmap[:4], "big") == _NATIVE_MAGIC:
        raise UnsupportedFeatureError(
            f"{context}: it is in Spark's native format (magic number {_NATIVE_MAGIC}), which the protocol does not "
            "have; REORG TABLE ... APPLY (PURGE) rewrites such files"
        )
    if magic != _PORTABLE_MAGIC:
        raise FileCorruptError(f"{context}: its magic number is {magic}, not {_PORTABLE_MAGIC}")
    try:
        rows = BitMap64.deserialize(bytes(bitmap[4:]))
    except (ValueError, IndexError) as error:
        raise FileCorruptError(f"{context}: it is no 64-bit Roaring bitmap: {error}") from error
    if len(rows) != vector.cardinality:
        raise FileCorruptError(
            f"{context}: it deletes {len(rows)} rows, the log says {vector.cardinality}"
        )
    if rows and rows.max() >= num_records:
        raise FileCorruptError(
            f"{context}: it deletes row {rows.max()}, the file has {num_records} rows"
        )
    return RowSelection(rows)


def _unframe(stored: bytes, vector: DeletionVector, context: FileContext) -> memoryview:
    """Delta PROTOCOL.md, "Deletion Vector File Storage Format": numbers are big-endian."""
    data = memoryview(stored)
    version, size, checksum = data[0], int.from_bytes(data[1:5]), int.from_bytes(data[-4:])
    if version != _FILE_VERSION:
        raise FileCorruptError(
            f"{context}: its file is of version {version}; version {_FILE_VERSION} is known"
        )
    bitmap = data[5:-4]
    if size != vector.nbytes or size != len(bitmap):
        raise FileCorruptError(
            f"{context}: its file says that it has {size} bytes, the log says {vector.nbytes}"
        )
    if (found := zlib.crc32(bitmap)) != checksum:
        raise FileCorruptError(
            f"{context}: the checksum of its bytes is {found:#010x}, its file says {checksum:#010x}"
        )
    return bitmap
