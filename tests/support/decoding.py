"""Decodes whole row groups."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from deltastream.decode import Footer, RowGroupDecoder

__all__ = ["decode_row_group"]


def decode_row_group(
    source: pa.NativeFile, footer: Footer, row_group: int, partition: dict[str, Any], **options: Any
) -> dict[str, pa.Array]:
    """Return all wanted columns, and see that a column decoded by itself is the same."""
    decoder = RowGroupDecoder(source, footer, row_group, partition, **options)
    columns = decoder.decode()
    for name, column in columns.items():
        alone = decoder.decode((name,))[name]
        # A NaN is not equal to itself.
        assert alone.equals(column) or repr(alone.to_pylist()) == repr(column.to_pylist())
    return columns
