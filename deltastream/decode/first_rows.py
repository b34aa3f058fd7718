"""Owns a look at the first rows of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
        with pq.ParquetFile(source, coerce_int96_timestamp_unit="us", pre_buffer=False) as file:
            columns = find_columns(projection, file.schema_arrow, context)
            row_groups = list(range(file.num_row_groups))
            batches = file.reader.iter_batches(
                num_rows, row_groups, column_indices=columns.leaves, use_threads=False
            )
            rows = next(_live(batches, selection), None)
    except (pa.ArrowException, OSError) as error:
        raise FileCorruptError(f"{context}: the file does not decode: {error}") from error
    if rows is None:
        return {}
    arrays = columns.conform(rows.columns, {}, rows.num_rows, context)
    return {name: array for name, array in arrays.items() if name in columns.found}


def _live(
    batches: Iterable[pa.RecordBatch], selection: RowSelection | None
) -> Iterator[pa.RecordBatch]:
    """Yield the live rows of batches that have any."""
    start = 0
    for batch in batches:
        stop = start + batch.num_rows
        rows = range(batch.num_rows) if selection is None else selection.live_rows(start, stop)
        start = stop
        if len(rows) == batch.num_rows:
            yield batch
        elif len(rows):
            yield batch.take(pa.array(rows))
