"""Owns what is said of a data file that is not the one that the log promised, wherever it lies."""

from __future__ import annotations

from deltastream.errors import FileCorruptError, FileMissingError
from deltastream.types import FileContext

__all__ = ["file_missing", "wrong_size"]


def file_missing(context: FileContext) -> FileMissingError:
    """Say that a file is gone."""
    return FileMissingError(
        f"{context}: the file is gone; after a VACUUM only versions that still have their files can be read: "
        "open a newer version, or restore the file"
    )


def wrong_size(context: FileContext, found: int, expected: int) -> FileCorruptError:
    """Say that a file is not as long as the log says."""
    if found == 0:
        return FileCorruptError(f"{context}: the file is empty, the log says {expected} bytes")
    return FileCorruptError(
        f"{context}: the file has {found} bytes, the log says {expected}; "
        "it was truncated or replaced: restore it from a copy"
    )
