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
    with RowGroupDecoder(source, footer, row_group, partition, **options) as decoder:
        columns = decoder.decode()
        for name, column in columns.items():
            # NaN is no equal of itself.
            may_differ = column.null_count or pa.types.is_floating(column.type)
            assert decoder.decode([name])[name].equals(column) or may_differ
    return columns
