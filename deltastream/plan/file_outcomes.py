"""Owns the pruning of files: what a filter comes to in each, from partition values and the log's statistics."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from deltastream.errors import SchemaError
from deltastream.predicate import (
    Bounds,
    Column,
    Outcomes,
    Path,
    Predicate,
    outcomes,
    paths_of,
    resolve_column,
)
from deltastream.types import Snapshot

__all__ = ["file_outcomes"]


def file_outcomes(
    predicate: Predicate, snapshot: Snapshot, statistics_of: Sequence[Path]
) -> Outcomes:
    """Return what a filter may come to for the rows of each file.

    `statistics_of` are the columns of `snapshot.statistics`, in its order, as they were asked for before the schema was
    known: some may be none.
    """
    bounds: dict[Path, Bounds] = {}
    if snapshot.statistics is not None:
        wanted = paths_of(predicate)
        for asked, column in zip(statistics_of, snapshot.statistics.columns, strict=True):
            path = _resolve(snapshot.schema, asked)
            if path in wanted:
                bounds[path] = Bounds.of_statistics(column)
    for name in snapshot.partition_columns:
        bounds[(name,)] = Bounds.of_values(snapshot.partitions[name])
    return outcomes(predicate, bounds, snapshot.files.num_rows)


def _resolve(schema: pa.Schema, asked: Path) -> Path | None:
    try:
        return resolve_column(schema, Column(asked, strict=True))[0]
    except SchemaError:
        return None
