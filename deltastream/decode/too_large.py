"""Owns the refusal of columns that have more bytes in one row group than Arrow's 32-bit offsets reach."""

from __future__ import annotations

import pyarrow as pa

from deltastream.errors import UnsupportedFeatureError
from deltastream.types import FileContext

__all__ = ["refuse_too_large"]

_MAX_NBYTES = (1 << 31) - 1


def refuse_too_large(name: str, column: pa.Array | pa.ChunkedArray, context: FileContext) -> None:
    """Raise if a column is too large to be one array of the table's type.

    Raises:
        UnsupportedFeatureError: It is.
    """
    if column.nbytes > _MAX_NBYTES:
        raise UnsupportedFeatureError(
            f"{context}: column {name!r} has {column.nbytes:,} bytes in one row group, and at most {_MAX_NBYTES:,} are "
            "read: write the table with smaller row groups, or leave the column out"
        )
