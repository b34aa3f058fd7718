"""Owns where the column chunks of a file lie."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow.parquet as pq

from deltastream.types import ByteRange

__all__ = ["chunk_ranges"]

_UNCOUNTED_HEADER_NBYTES = 100
_FIRST_COUNTED = (1, 2, 9)


def chunk_ranges(
    metadata: pq.FileMetaData,
    leaves: Sequence[int],
    row_group: int,
    *,
    created_by: str | None,
    file_nbytes: int,
) -> list[ByteRange]:
    """Return the bytes of some column chunks of a row group, which are those that Arrow will read.

    Parquet format, "ColumnMetaData": a chunk begins with its dictionary page, if it has one; writers that do not say
    where leave it out or say 0. A chunk without values may have no bytes.
    """
    padding = _UNCOUNTED_HEADER_NBYTES if _leaves_out_header(created_by) else 0
    chunks = metadata.row_group(row_group)
    found = []
    for leaf in leaves:
        chunk = chunks.column(leaf)
        start = chunk.data_page_offset
        if chunk.has_dictionary_page and 0 < (first := chunk.dictionary_page_offset) < start:
            start = first
        stop = min(start + chunk.total_compressed_size + padding, file_nbytes)
        # What cannot be is refused by Arrow when it is decoded.
        if 0 <= start < stop:
            found.append(ByteRange(start, stop))
    return found


def _leaves_out_header(created_by: str | None) -> bool:
    """Whether the file's writer did not count the dictionary page's header in a chunk's size (PARQUET-816)."""
    found = re.match(r"parquet-mr(?: version (\d+)\.(\d+)(?:\.(\d+))?)?", created_by or "")
    if found is None:
        return False
    return tuple(int(number or 0) for number in found.groups()) < _FIRST_COUNTED
