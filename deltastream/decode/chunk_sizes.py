"""Owns how large row groups are when decoded, and the care that the metadata of their column chunks takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from deltastream.types import RowGroupSizes

__all__ = ["BUFFER_NBYTES", "check_chunks", "fixed_width", "measure_row_groups"]

_FIXED_NBYTES = {
    "BOOLEAN": 1,
    "INT32": 4,
    "INT64": 8,
    "INT96": 8,
    "FLOAT": 4,
    "DOUBLE": 8,
}
BUFFER_NBYTES = 1 << 16
"""With a buffer a column chunk is read as its pages are decoded; without one, whole."""

_OBJECT_NBYTES = 64
"""About what a small Python object and the reference to it weigh."""


def fixed_width(type_: pa.DataType) -> int | None:
    """Return the bytes of a value of this type in Parquet, if it has one leaf and every value has as many."""
    if pt.is_boolean(type_):
        return 1
    if pt.is_float16(type_) or not (
        pt.is_integer(type_)
        or pt.is_floating(type_)
        or pt.is_date32(type_)
        or pt.is_timestamp(type_)
    ):
        return None
    # Parquet has no smaller integers.
    return max(4, int(type_.bit_width) // 8)


def check_chunks(file: pq.ParquetFile, leaves: Sequence[int]) -> None:
    """Make sure that Arrow can parse the metadata of column chunks, which it does where nothing catches it, too.

    Raises:
        OSError: They are damaged.
    """
    # `metadata.schema` would be kept by the metadata, and refer back to it.
    schema = pq.ParquetSchema(file.metadata)
    for group in range(file.metadata.num_row_groups):
        _look_at_chunks(file, leaves, group)
        row_group = file.metadata.row_group(group)
        for leaf in leaves:
            found, expected = (
                row_group.column(leaf).physical_type,
                schema.column(leaf).physical_type,
            )
            if found != expected:
                raise OSError(f"row group {group}, leaf {leaf}: {found} in a column of {expected}")


def _look_at_chunks(file: pq.ParquetFile, leaves: Sequence[int], row_group: int) -> None:
    """Make Arrow look at the metadata of column chunks where it catches its own exceptions.

    `RowGroupMetaData.column()` parses it, and lets them end the process: "terminate called after throwing an instance
    of 'parquet::ParquetException'", for a footer that is damaged in the right place. Reading no rows parses it, too,
    and touches no page where the file is read through a buffer. It takes 5 us a chunk.

    Raises:
        OSError: It is damaged.
    """
    if leaves:
        next(
            file.reader.iter_batches(0, [row_group], column_indices=leaves, use_threads=False), None
        )


def measure_row_groups(
    file: pq.ParquetFile, leaves: Sequence[int], row_nbytes: int
) -> RowGroupSizes:
    """Return rows and decoded bytes per row group, the latter from the values' fixed width where they have one.

    A footer's uncompressed size counts encoded pages: of a dictionary-encoded column it can be a ten-thousandth of
    what the values weigh (Parquet format, "Encodings": RLE_DICTIONARY).

    Args:
        file: The file.
        leaves: Those whose values have no fixed width, or not one for each row.
        row_nbytes: The bytes of a row in the other wanted leaves.

    Raises:
        OSError: The metadata of a column chunk is damaged.
    """
    metadata = file.metadata
    num_groups = metadata.num_row_groups
    num_rows = np.zeros(num_groups, np.int64)
    nbytes = np.zeros(num_groups, np.int64)
    for group in range(num_groups):
        _look_at_chunks(file, leaves, group)
        row_group = metadata.row_group(group)
        num_rows[group] = row_group.num_rows
        nbytes[group] = row_group.num_rows * row_nbytes
        for leaf in leaves:
            chunk = row_group.column(leaf)
            width = _FIXED_NBYTES.get(chunk.physical_type)
            nbytes[group] += (
                chunk.num_values * width
                if width is not None
                else chunk.total_uncompressed_size + chunk.num_values * _OBJECT_NBYTES
            )
    return RowGroupSizes(num_rows, nbytes)
