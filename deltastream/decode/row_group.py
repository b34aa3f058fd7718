"""Owns the decoding of one row group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode.footer import Footer
from deltastream.decode.live_rows import RowTaker
from deltastream.decode.projection import Projection
from deltastream.errors import FileCorruptError
from deltastream.types import FileContext

__all__ = ["decode_row_group"]

_DICTIONARY_VALUE_NBYTES = 64
"""A dictionary-encoded chunk with fewer bytes a value than this is kept as a dictionary: its rows share objects."""

_PART_NBYTES = 1 << 20
"""Half of an L2 cache: decoding 33 columns of 100,000 floats and dropping 2 % of the rows takes 14.3 ms column by
column and 16.9 ms when all are decoded first, which alone takes 13.2 ms."""


def decode_row_group(
    source: pa.NativeFile,
    footer: Footer,
    row_group: int,
    projection: Projection,
    partition: dict[str, pa.Scalar],
    *,
    rows: npt.NDArray[np.int64] | range,
    context: FileContext,
) -> dict[str, pa.Array]:
    """Decode `rows` of a row group, ascending, into the projection's columns; the others are dropped.

    Raises:
        FileCorruptError: The bytes do not decode, or not into as many rows as the footer says.
    """
    num_rows = footer.metadata.row_group(row_group).num_rows
    names = list(footer.columns.values())
    taker = RowTaker(rows)
    # What is copied is copied while it is in the cache, column after column, and the row group is never held whole.
    parts = _parts(names, int(footer.decoded.nbytes[row_group])) if taker.copies else [names]
    decoded: dict[str, pa.Array] = {}
    try:
        with pq.ParquetFile(
            source,
            metadata=footer.metadata,
            coerce_int96_timestamp_unit="us",
            read_dictionary=_dictionaries(footer.metadata, row_group, projection),
            pre_buffer=False,
        ) as file:
            for part in parts:
                table = file.read_row_group(row_group, columns=part, use_threads=False)
                if part and table.num_rows != num_rows:
                    raise FileCorruptError(
                        f"{context}: decoded {table.num_rows} rows, the footer says {num_rows}"
                    )
                decoded |= {name: taker.take(_one_chunk(table.column(name))) for name in part}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileCorruptError(f"{context}: the row group does not decode: {error}") from error
    found = {wanted: decoded[name] for wanted, name in footer.columns.items()}
    return projection.conform(found, partition, len(rows), context)


def _parts(names: list[str], nbytes: int) -> list[list[str]]:
    """Divide columns that decode to `nbytes` into runs of about `_PART_NBYTES`, so that reading many costs no more."""
    size = max(1, len(names) * _PART_NBYTES // max(1, nbytes))
    return [names[i : i + size] for i in range(0, len(names), size)]


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _dictionaries(metadata: pq.FileMetaData, row_group: int, projection: Projection) -> list[str]:
    if not projection.dictionary_columns:
        return []
    chunks = metadata.row_group(row_group)
    found = []
    for i in range(metadata.num_columns):
        chunk = chunks.column(i)
        if (
            chunk.path_in_schema in projection.dictionary_columns
            and chunk.has_dictionary_page
            and chunk.total_uncompressed_size < _DICTIONARY_VALUE_NBYTES * chunk.num_values
        ):
            found.append(chunk.path_in_schema)
    return found
