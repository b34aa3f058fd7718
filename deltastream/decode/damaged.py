"""Owns what a file that Arrow does not read is called: damaged, but for what is known to be sound."""

from __future__ import annotations

from deltastream.errors import FileCorruptError, UnsupportedFeatureError
from deltastream.types import FileContext

__all__ = ["damaged"]

_OPTIONAL_KEYS = "Map keys must be annotated as required"


def damaged(what: str, error: Exception, context: FileContext) -> Exception:
    """Return what to raise where Arrow raised `error`; `what` says what it failed to do.

    Parquet format, "Maps": keys are required. Older writers made them optional (Trino before 386, Presto, Flink).
    """
    if _OPTIONAL_KEYS in str(error):
        return UnsupportedFeatureError(
            f"{context}: the file has a map whose keys are optional in Parquet, as some older writers make them, and "
            "pyarrow opens no such file: rewrite it with another writer"
        )
    return FileCorruptError(f"{context}: {what}: {error}")
