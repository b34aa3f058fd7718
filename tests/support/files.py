"""Parquet files in memory."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["written"]


def written(table: pa.Table, **options: Any) -> pa.BufferReader:
    """Return a Parquet file of the table; the options are those of `pyarrow.parquet.write_table`."""
    sink = BytesIO()
    pq.write_table(table, sink, **options)
    return pa.BufferReader(sink.getvalue())
