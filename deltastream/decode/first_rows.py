"""Owns a look at the first rows of a file."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode.damaged import damaged
from deltastream.decode.file_columns import find_columns
from deltastream.decode.projection import Projection
from deltastream.selection import RowSelection
from deltastream.types import FileContext

__all__ = ["decode_first_rows"]


def decode_first_rows(
    source: pa.NativeFile,
    projection: Projection,
    num_rows: int,
    context: FileContext,
    selection: RowSelection | None = None,
) -> dict[str, pa.Array]:
    """Decode the first live rows of a file, `num_rows` at most, into those of the wanted columns that it has.

    Raises:
        FileCorruptError: It does not decode, or not into the table's types.
        UnsupportedFeatureError: A column is a shredded variant, or a map has optional keys.
    """
    try:
        with pq.ParquetFile(
            source,
            coerce_int96_timestamp_unit="us",
            pre_buffer=False,
            page_checksum_verification=True,
        ) as file:
            columns = find_columns(projection, file.schema_arrow, context)
            row_groups = list(range(file.num_row_groups))
            batches = file.reader.iter_batches(
                num_rows, row_groups, column_indices=columns.leaves, use_threads=False
            )
            rows, live = _first_live(batches, selection)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged("the file does not decode", error, context) from error
    if rows is None:
        return {}
    decoded = dict(enumerate(rows.columns))
    conformed = columns.conform(list(columns.found), decoded, {}, rows.num_rows, context)
    return {name: column.take(live) for name, column in conformed.items()}


def _first_live(
    batches: Iterable[pa.RecordBatch], selection: RowSelection | None
) -> tuple[pa.RecordBatch | None, pa.Array]:
    """Return the first batch that has live rows, and their places in it."""
    start = 0
    for rows in batches:
        stop = start + rows.num_rows
        live = np.arange(rows.num_rows) if selection is None else selection.live_rows(start, stop)
        if len(live):
            return rows, pa.array(live)
        start = stop
    return None, pa.array([], pa.int64())
