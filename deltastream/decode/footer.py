"""Owns footers: what a file says about its row groups, checked against the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode.chunk_ranges import chunk_ranges
from deltastream.decode.chunk_sizes import BUFFER_NBYTES, check_chunks, measure_row_groups
from deltastream.decode.damaged import damaged
from deltastream.decode.file_columns import FileColumns, find_columns
from deltastream.decode.long_bounds import parse_without_long_bounds
from deltastream.decode.projection import Projection
from deltastream.errors import FileCorruptError
from deltastream.selection import RowSelection
from deltastream.types import ByteRange, FileContext, RowGroupSizes

__all__ = ["Footer", "read_footer"]


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

    @property
    def created_by(self) -> str | None:
        """The file's writer; None where it gave no name, or one that is no UTF-8."""
        try:
            name: str | None = self.metadata.created_by
        except UnicodeDecodeError:
            return None
        return name

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

    def chunk_ranges(self, row_group: int, *, file_nbytes: int) -> list[ByteRange]:
        """Return the bytes of the wanted columns of a row group; the footer was read with `checks_chunks`."""
        return chunk_ranges(
            self.metadata,
            self.columns.leaves,
            row_group,
            created_by=self.created_by,
            file_nbytes=file_nbytes,
        )


def read_footer(
    source: pa.NativeFile,
    projection: Projection,
    *,
    num_records: int | None,
    context: FileContext,
    selection: RowSelection | None = None,
    checks_chunks: bool = False,
) -> Footer:
    """Parse a footer, and find the wanted columns in it.

    `num_records` counts the rows that `selection` drops, too. `checks_chunks`: look at the metadata of every wanted
    column chunk, which `row_group_statistics` and `chunk_ranges` trust.

    Raises:
        FileCorruptError: It is not a Parquet file, it has another number of rows than the log says, or a column has a
            type that its table's writers do not give it.
        UnsupportedFeatureError: A column is a shredded variant, or a map has optional keys.
    """
    try:
        # `metadata.schema` would refer back to the metadata: megabytes that only the garbage collector would free.
        # INT96 in microseconds: in nanoseconds, Arrow's default, years before 1677 and after 2262 wrap around.
        # Buffered: a look at the metadata of column chunks then reads none of them.
        with pq.ParquetFile(
            source,
            metadata=parse_without_long_bounds(source),
            coerce_int96_timestamp_unit="us",
            pre_buffer=False,
            buffer_size=BUFFER_NBYTES,
        ) as file:
            metadata = file.metadata
            if num_records is not None and metadata.num_rows != num_records:
                raise FileCorruptError(
                    f"{context}: the footer has {metadata.num_rows} rows, the log says {num_records}; "
                    "the order would shift: the file was replaced, or its statistics are wrong"
                )
            columns = find_columns(projection, file.schema_arrow, context)
            if checks_chunks:
                check_chunks(file, columns.leaves)
            decoded = measure_row_groups(file, columns.varying_leaves, columns.row_nbytes)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged("not a readable Parquet footer", error, context) from error
    if decoded.num_rows.sum() != metadata.num_rows:
        raise FileCorruptError(
            f"{context}: the footer says {metadata.num_rows} rows, its row groups have {decoded.num_rows.sum()}"
        )
    sizes = decoded if selection is None else _live(decoded, selection)
    return Footer(metadata, columns, sizes, decoded, selection)


def _live(decoded: RowGroupSizes, selection: RowSelection) -> RowGroupSizes:
    num_rows = selection.live_counts(decoded.num_rows)
    return RowGroupSizes(num_rows, decoded.nbytes * num_rows // np.maximum(decoded.num_rows, 1))
