"""Owns the counts of rows that the log gives, and where it gives none, the footers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.decode import Projection, read_footer
from deltastream.engine.pool import DecodePool
from deltastream.errors import LogCorruptError
from deltastream.fetch import DataFiles, Fetched
from deltastream.pipeline.tails import fetch_tails
from deltastream.types import Snapshot

__all__ = ["count_deleted", "count_records"]

_MAX_FILES = 64
"""Files whose footers are fetched and read at once."""


async def count_records(
    snapshot: Snapshot, files: DataFiles, pool: DecodePool
) -> npt.NDArray[np.int64]:
    """Return the rows per file, deleted ones among them; a file without statistics has its footer read."""
    column = snapshot.files["num_records"]
    counts: npt.NDArray[np.int64] = column.fill_null(-1).to_numpy().astype(np.int64)

    nothing = Projection(pa.schema([]), frozenset())

    def count(file: int, tail: Fetched | None) -> int:
        context = files.context(file, stage="footer")
        with files.open(file, tail) as source:
            footer = read_footer(source, nothing, num_records=None, context=context)
        return int(footer.sizes.num_rows.sum())

    def count_all(some: list[int], tails: Mapping[int, Fetched]) -> None:
        for file in some:
            counts[file] = count(file, tails.get(file))

    unknown: list[int] = np.flatnonzero(counts < 0).tolist()
    for start in range(0, len(unknown), _MAX_FILES):
        some = unknown[start : start + _MAX_FILES]
        await pool.run(count_all, some, await fetch_tails(files, some, stage="footer"))
    return counts


def count_deleted(snapshot: Snapshot, num_records: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many rows of each file are deleted, from the log alone: no vector is read for it.

    Raises:
        LogCorruptError: There are more than the file has rows.
    """
    column = pc.struct_field(snapshot.files["deletion_vector"], "cardinality")
    found: npt.NDArray[np.int64] = column.fill_null(0).to_numpy().astype(np.int64)
    wrong = np.flatnonzero((found < 0) | (found > num_records))
    if len(wrong):
        file = int(wrong[0])
        raise LogCorruptError(
            f"{snapshot.table_uri} version {snapshot.version}, file {snapshot.files['path'][file].as_py()!r}: its "
            f"deletion vector deletes {found[file]} rows, and it has {num_records[file]}"
        )
    return found
