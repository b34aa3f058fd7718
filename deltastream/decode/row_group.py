"""Owns the decoding of one row group, a few columns at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow._parquet import ParquetReader

from deltastream.decode.file_columns import FilePart
from deltastream.decode.footer import Footer
from deltastream.decode.live_rows import RowTaker
from deltastream.decode.too_large import refuse_too_large
from deltastream.engine.allocators import growing_memory_pool
from deltastream.errors import FileCorruptError
from deltastream.options import HOT_NBYTES
from deltastream.types import FileContext

__all__ = ["RowGroupDecoder"]

_DICTIONARY_VALUE_NBYTES = 64
"""A dictionary-encoded chunk with fewer bytes a value than this is kept as a dictionary: its rows share objects."""


class RowGroupDecoder:
    """Decodes some rows of a row group into the columns that the footer was read for, those that are asked for.

    A column that is copied and dropped before the next one is decoded stays in the processor's cache, and its memory
    is used again: 34 columns decoded so cost a fifth less than in one call.
    """

    def __init__(
        self,
        source: pa.NativeFile,
        footer: Footer,
        row_group: int,
        partition: Mapping[str, pa.Scalar],
        *,
        rows: npt.NDArray[np.int64] | range,
        context: FileContext,
    ) -> None:
        """Open a row group; `rows` of it are wanted, ascending, the others are dropped.

        Raises:
            FileCorruptError: The file is not readable.
        """
        self._columns = footer.columns
        self._row_group = row_group
        self._partition = partition
        self._rows = RowTaker(rows)
        self._context = context
        self._num_live = len(rows)
        self._num_rows = footer.metadata.row_group(row_group).num_rows
        self._nbytes = int(footer.decoded.nbytes[row_group])
        # What `pq.ParquetFile` wraps: it takes a memory pool, and opens in three fifths of the time.
        self._reader = ParquetReader(
            memory_pool=growing_memory_pool() if footer.columns.varying_leaves else None
        )
        try:
            self._reader.open(
                source,
                metadata=footer.metadata,
                coerce_int96_timestamp_unit="us",
                read_dictionary=_dictionaries(footer, row_group),
                pre_buffer=False,
                # Where pages have checksums: Parquet format, "Checksumming".
                page_checksum_verification=True,
                arrow_extensions_enabled=True,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error

    def decode(
        self, names: tuple[str, ...] | None = None, whole: frozenset[str] = frozenset()
    ) -> dict[str, pa.Array]:
        """Return the rows of some columns; None: of all that are wanted. `whole`: see `DecodeColumns`.

        Raises:
            FileCorruptError: The bytes do not decode, or not into as many rows as the footer says, or a value does
                not fit its column's type.
        """
        part = self._columns.part(tuple(self._columns.targets) if names is None else names, whole)
        if self._columns.has_views:
            return self._decode_views(part)
        # What is copied is copied while it is in the cache, and the row group is never held whole.
        runs = self._divide(part.places) if self._rows.copies else [part.places]
        decoded = {
            place: self._rows.take(column, may_be_whole=place in part.may_be_whole)
            for places in runs
            if places
            for place, column in zip(places, self._decode(places), strict=True)
        }
        if part.is_identity:
            return dict(zip(part.names, decoded.values(), strict=True))
        return self._columns.conform(
            part.names, decoded, self._partition, self._num_live, self._context
        )

    def _decode_views(self, part: FilePart) -> dict[str, pa.Array]:
        """Decode as `decode` does, but all rows at once, and take those that are wanted of what is no view any more."""
        decoded = dict(zip(part.places, self._decode(part.places), strict=True))
        conformed = self._columns.conform(
            part.names, decoded, self._partition, self._num_rows, self._context
        )
        return {name: self._rows.take(column) for name, column in conformed.items()}

    def _decode(self, places: tuple[int, ...]) -> list[pa.Array]:
        """Return columns of the file, by their places; each is made of the leaves that are wanted."""
        leaves = [leaf for place in places for leaf in self._columns.column_leaves[place]]
        try:
            # By index: a path cannot tell a column "a.b" from field b of a struct a.
            table = self._reader.read_row_group(
                self._row_group, column_indices=leaves, use_threads=False
            )
            columns = [
                column.chunk(0) if column.num_chunks == 1 else self._joined(table, place)
                for place, column in enumerate(table.itercolumns())
            ]
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error
        if table.num_rows != self._num_rows:
            raise FileCorruptError(
                f"{self._context}: decoded {table.num_rows} rows, the footer says {self._num_rows}"
            )
        return columns

    def _joined(self, table: pa.Table, place: int) -> pa.Array:
        refuse_too_large(table.column_names[place], table.column(place), self._context)
        return table.column(place).combine_chunks()

    def _divide(self, places: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Divide columns into runs of about `HOT_NBYTES`, so that reading many costs no more."""
        size = max(1, len(self._columns.column_leaves) * HOT_NBYTES // max(1, self._nbytes))
        return [places[i : i + size] for i in range(0, len(places), size)]

    def _damaged(self, error: Exception) -> FileCorruptError:
        return FileCorruptError(f"{self._context}: the row group does not decode: {error}")


def _dictionaries(footer: Footer, row_group: int) -> list[str]:
    if not footer.columns.dictionary_leaves:
        return []
    chunks = footer.metadata.row_group(row_group)
    found = []
    for leaf, path in footer.columns.dictionary_leaves.items():
        chunk = chunks.column(leaf)
        # Some writers say 0 for none.
        if 0 < (chunk.dictionary_page_offset or 0) < chunk.data_page_offset and (
            chunk.total_uncompressed_size < _DICTIONARY_VALUE_NBYTES * chunk.num_values
            or _has_few_values(chunk)
        ):
            found.append(path)
    return found


def _has_few_values(chunk: pq.ColumnChunkMetaData) -> bool:
    """Whether so few bits make an index that each entry of the dictionary stands for two values, on average."""
    indexes = chunk.total_compressed_size - (chunk.data_page_offset - chunk.dictionary_page_offset)
    num_bits = 8 * max(0, indexes) / max(1, chunk.num_values)
    return bool(2 ** min(num_bits, 62) < chunk.num_values / 2)
