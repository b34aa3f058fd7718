"""Owns a look at the table's first rows, for what the schema does not say: how long lists and binary values are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.decode import Projection, decode_first_rows
from deltastream.fetch import LocalFiles
from deltastream.pipeline import Selector
from deltastream.types import Snapshot

__all__ = ["first_files", "first_rows"]

_FIRST_ROWS = 64
_FIRST_FILES = 16


def first_files(live_rows: npt.NDArray[np.int64]) -> list[int]:
    """Return the files that are looked at: the first that have live rows."""
    found: list[int] = np.flatnonzero(live_rows)[:_FIRST_FILES].tolist()
    return found


def first_rows(
    snapshot: Snapshot,
    schema: pa.Schema,
    files: LocalFiles,
    selector: Selector,
    vectors: Mapping[int, bytes],
    live_rows: npt.NDArray[np.int64],
    names: list[str],
) -> dict[str, pa.Array]:
    """Return the first live values of some columns, from the first files of the table that have any. Blocks.

    A row that was deleted, or filtered out, for its length must not decide one. `vectors` has the deletion vectors of
    the `first_files` as they are stored.
    """
    found: dict[str, pa.Array] = {}
    for file in first_files(live_rows):
        missing = [name for name in names if name not in found]
        if not missing:
            break
        selection = selector.select(file, vectors.get(file))
        projection = Projection(
            pa.schema([schema.field(name) for name in missing]),
            frozenset(snapshot.partition_columns),
            column_mapping=snapshot.column_mapping,
        )
        context = files.context(file, stage="first rows")
        with files.open(file) as source:
            first = decode_first_rows(source, projection, _FIRST_ROWS, context, selection)
        found |= {name: values for name, values in first.items() if values.null_count < len(values)}
    return found
