"""Every error that deltastream raises on purpose.

::

    DeltaStreamError
    ├── TableError                 the table, or what its log says
    │   ├── TableNotFoundError     no Delta log at this path
    │   ├── VersionNotFoundError   the version (or timestamp) never was, or was cleaned
    │   ├── LogCorruptError        the log contradicts itself or the protocol
    │   └── UnsupportedFeatureError  a feature we lack, of the table or of a file: refused, never read wrong
    ├── StorageError (OSError)     a store did not give what was asked for, after all retries
    │   └── ObjectChangedError     an object is not the one that the log names: its size or ETag differs
    ├── ReadError                  one data file; names table, version, file, row group and stage
    │   ├── FileMissingError       a file of this version is gone (vacuumed, deleted)
    │   ├── FileCorruptError       bytes, footer or counts are not what the log promised
    │   └── FileUnavailableError (StorageError)  the store did not give it
    ├── SchemaError                a column that isn't there, a type or a value that its field cannot take
    ├── NullValueError             a null where the field has no rule for nulls
    ├── TransformError             the user's transform raised; names the row
    ├── OptionError (ValueError)   an argument that cannot be, or that contradicts another
    └── MemoryBudgetError          the windows of the open lanes do not fit the budget
"""

from __future__ import annotations

from copy import copy

__all__ = [
    "DeltaStreamError",
    "FileCorruptError",
    "FileMissingError",
    "FileUnavailableError",
    "LogCorruptError",
    "MemoryBudgetError",
    "NullValueError",
    "ObjectChangedError",
    "OptionError",
    "ReadError",
    "SchemaError",
    "StorageError",
    "TableError",
    "TableNotFoundError",
    "TransformError",
    "UnsupportedFeatureError",
    "VersionNotFoundError",
    "copy_of",
]


class DeltaStreamError(Exception):
    """Base of every error that deltastream raises on purpose."""


class TableError(DeltaStreamError):
    """The table, or what its log says, is not readable as asked."""


class TableNotFoundError(TableError):
    """There is no Delta log at this path."""


class VersionNotFoundError(TableError):
    """The version or timestamp asked for never was, or its commits were cleaned."""


class LogCorruptError(TableError):
    """The log contradicts itself or the protocol: a gap, a torn commit, missing metadata."""


class UnsupportedFeatureError(TableError):
    """The table, or one of its files, needs something that deltastream does not read."""


class StorageError(DeltaStreamError, OSError):
    """A store did not give what was asked for; the message names object, operation, attempts, time and last cause."""

    def __str__(self) -> str:
        # An OSError with a file name shows nothing else.
        return str(self.args[0]) if self.args else ""


class ObjectChangedError(StorageError):
    """An object's size or ETag is not what the log promised, or changed while it was read."""


class ReadError(DeltaStreamError):
    """Reading one data file failed; the message names table, version, file, row group, stage."""


class FileMissingError(ReadError):
    """A data file of this version is not there: vacuumed or deleted."""


class FileCorruptError(ReadError):
    """A data file's bytes, footer, row counts or deletion vector are not what the log promised."""


class FileUnavailableError(ReadError, StorageError):
    """A store did not give bytes of a data file; the message ends with that of the `StorageError` that is the cause."""


class SchemaError(DeltaStreamError):
    """A column is not in the table, or its field cannot take its type or one of its values."""


class NullValueError(DeltaStreamError):
    """A null in a field that has no rule for nulls."""


class TransformError(DeltaStreamError):
    """A user's transform raised; the message names the row, the cause is the user's error."""


class OptionError(DeltaStreamError, ValueError):
    """An argument that cannot be, or that contradicts another."""


class MemoryBudgetError(DeltaStreamError):
    """The windows of all open lanes do not fit the memory budget."""


def copy_of(error: Exception) -> Exception:
    """Return an equal error, to be raised again later: kept itself, it would keep the frames that it went through."""
    try:
        return copy(error)
    except Exception:
        # Of a type whose own arguments are not those of its message.
        return ReadError(f"{type(error).__name__}: {error}")
