"""Owns where a deletion vector lies: in the log itself, or in which file and at which bytes."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit
from uuid import UUID

from deltastream.fetch.z85 import decode_z85
from deltastream.types import ByteRange, DeletionVector

__all__ = ["check_size", "inline_bytes", "stored_path", "stored_range"]

_UUID_CHARACTERS = 20
_VERSION_NBYTES = 1
_SIZE_NBYTES = _CHECKSUM_NBYTES = 4

_CONTAINER_ROWS = 1 << 16
_CONTAINER_NBYTES = 2 * _CONTAINER_ROWS + 64
"""What a bitmap takes for 65,536 rows at most: as runs of one row each, every second row."""


def check_size(vector: DeletionVector, *, num_records: int) -> None:
    """Refuse a size that no bitmap over so many rows has: asking for it would only take memory.

    Raises:
        ValueError: It is such a size.
    """
    if vector.nbytes > (num_records // _CONTAINER_ROWS + 2) * _CONTAINER_NBYTES:
        raise ValueError(
            f"sizeInBytes {vector.nbytes} is too much for a file of {num_records} rows"
        )


def inline_bytes(vector: DeletionVector) -> bytes:
    """Return the bitmap of a vector of storage type "i".

    Raises:
        ValueError: It is no Z85, or shorter than it says.
    """
    data = decode_z85(vector.path_or_inline)
    # Z85 comes in fours: what is over was added for that.
    if not vector.nbytes <= len(data) < vector.nbytes + 4:
        raise ValueError(f"it has {len(data)} bytes, its sizeInBytes is {vector.nbytes}")
    return data[: vector.nbytes]


def stored_path(vector: DeletionVector) -> str:
    """Return the path of the file of a vector of type "u" or "p", decoded: relative to the table, absolute, or a URI.

    Delta PROTOCOL.md, "Deletion Vectors", "Derived Fields": absolutePath.

    Raises:
        ValueError: It names none.
    """
    text = vector.path_or_inline
    if vector.storage_type == "u":
        # In Z85 a UUID has 20 characters; what comes before them is a folder.
        prefix, encoded = text[:-_UUID_CHARACTERS], text[-_UUID_CHARACTERS:]
        name = f"deletion_vector_{UUID(bytes=decode_z85(encoded))}.bin"
        path = f"{prefix}/{name}" if prefix else name
    else:
        # As the path of an add action: a URI, percent-encoded.
        path = unquote(urlsplit(text).path if text.startswith("file:") else text)
    if not path or "\0" in path:
        raise ValueError(f"no file has its path {path!r}")
    return path


def stored_range(vector: DeletionVector) -> ByteRange:
    """Return the bytes of a vector in its file, with the size before and the checksum after the bitmap.

    Delta PROTOCOL.md, "Deletion Vector File Storage Format". Without an offset it is the first of its file: at byte 0,
    which the protocol says there, is the version of the file, and a vector cannot be.
    """
    start = _VERSION_NBYTES if vector.offset is None else vector.offset
    return ByteRange(start, start + _SIZE_NBYTES + vector.nbytes + _CHECKSUM_NBYTES)
