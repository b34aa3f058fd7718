"""Owns a look at the first rows of a file."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode.file_columns import find_columns
from deltastream.decode.projection import Projection
from deltastream.errors import FileCorruptError
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
        UnsupportedFeatureError: A column is a shredded variant.
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
            rows = _first_live(batches, selection)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileCorruptError(f"{context}: the file does not decode: {error}") from error
    if rows is None:
        return {}
    decoded = dict(enumerate(rows.columns))
    return columns.conform(list(columns.found), decoded, {}, rows.num_rows, context)


def _first_live(
    batches: Iterable[pa.RecordBatch], selection: RowSelection | None
) -> pa.RecordBatch | None:
    start = 0
    for rows in batches:
        live = rows
        if selection is not None:
            live = rows.take(pa.array(selection.live_rows(start, start + rows.num_rows)))
        if live.num_rows:
            return live
        start += rows.num_rows
    return None
