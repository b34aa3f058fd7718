"""Owns footers: what a file says about its row groups, checked against the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode.file_columns import FileColumns, find_columns
from deltastream.decode.projection import Projection
from deltastream.errors import FileCorruptError
from deltastream.selection import RowSelection
from deltastream.types import FileContext, RowGroupSizes

__all__ = ["Footer", "read_footer"]

_FIXED_NBYTES = {
    "BOOLEAN": 1,
    "INT32": 4,
    "INT64": 8,
    "INT96": 8,
    "FLOAT": 4,
    "DOUBLE": 8,
}
_OBJECT_NBYTES = 64
"""About what a small Python object and the reference to it weigh."""


@dataclass(frozen=True, slots=True)
class Footer:
    """A file's footer, and of each row group the sizes that the order needs."""

    metadata: pq.FileMetaData
    columns: FileColumns
    """The wanted columns in this file."""
    sizes: RowGroupSizes
    decoded: RowGroupSizes
    """The same before rows are dropped: what decoding takes."""
    selection: RowSelection | None = None
    """None: every row lives."""

    def drops_rows(self, row_group: int) -> bool:
        """Say whether a row group has rows that do not live."""
        return bool(self.sizes.num_rows[row_group] < self.decoded.num_rows[row_group])

    def live_rows(self, row_group: int, start: int, stop: int) -> npt.NDArray[np.int64] | range:
        """Return the rows of a row group, counted from its first, that are its live rows ``[start, stop)``."""
        if self.selection is None or not self.drops_rows(row_group):
            return range(start, stop)
        first = int(self.decoded.num_rows[:row_group].sum())
        last = first + int(self.decoded.num_rows[row_group])
        return self.selection.live_rows(first, last)[start:stop]


def read_footer(
    source: pa.NativeFile,
    projection: Projection,
    *,
    num_records: int | None,
    context: FileContext,
    selection: RowSelection | None = None,
) -> Footer:
    """Parse a footer, and find the wanted columns in it. `num_records` counts the rows that `selection` drops, too.

    Raises:
        FileCorruptError: It is not a Parquet file, it has another number of rows than the log says, or a column has a
            type that its table's writers do not give it.
        UnsupportedFeatureError: A column is a shredded variant.
    """
    try:
        # `metadata.schema` would refer back to the metadata: megabytes that only the garbage collector would free.
        # INT96 in microseconds: in nanoseconds, Arrow's default, years before 1677 and after 2262 wrap around.
        with pq.ParquetFile(source, coerce_int96_timestamp_unit="us", pre_buffer=False) as file:
            metadata, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise FileCorruptError(f"{context}: not a readable Parquet footer: {error}") from error
    if num_records is not None and metadata.num_rows != num_records:
        raise FileCorruptError(
            f"{context}: the footer has {metadata.num_rows} rows, the log says {num_records}; "
            "the order would shift: the file was replaced, or its statistics are wrong"
        )
    columns = find_columns(projection, schema, context)
    decoded = _measure(metadata, columns.leaves)
    if decoded.num_rows.sum() != metadata.num_rows:
        raise FileCorruptError(
            f"{context}: the footer says {metadata.num_rows} rows, its row groups have {decoded.num_rows.sum()}"
        )
    sizes = decoded if selection is None else _live(decoded, selection)
    return Footer(metadata, columns, sizes, decoded, selection)


def _live(decoded: RowGroupSizes, selection: RowSelection) -> RowGroupSizes:
    num_rows = selection.live_counts(decoded.num_rows)
    return RowGroupSizes(num_rows, decoded.nbytes * num_rows // np.maximum(decoded.num_rows, 1))


def _measure(metadata: pq.FileMetaData, leaves: tuple[int, ...]) -> RowGroupSizes:
    """Return rows and decoded bytes per row group, the latter from the values' fixed width where they have one.

    A footer's uncompressed size counts encoded pages: of a dictionary-encoded column it can be a ten-thousandth of
    what the values weigh (Parquet format, "Encodings": RLE_DICTIONARY).
    """
    num_groups = metadata.num_row_groups
    num_rows = np.zeros(num_groups, np.int64)
    nbytes = np.zeros(num_groups, np.int64)
    for group in range(num_groups):
        row_group = metadata.row_group(group)
        num_rows[group] = row_group.num_rows
        for leaf in leaves:
            chunk = row_group.column(leaf)
            width = _FIXED_NBYTES.get(chunk.physical_type)
            nbytes[group] += (
                chunk.num_values * width
                if width is not None
                else chunk.total_uncompressed_size + chunk.num_values * _OBJECT_NBYTES
            )
    return RowGroupSizes(num_rows, nbytes)
