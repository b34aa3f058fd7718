"""Owns the pruning of files: what a filter comes to in each, from partition values and the log's statistics."""

from __future__ import annotations

from collections.abc import Sequence

from deltastream.predicate import Bounds, Outcomes, Path, Predicate, outcomes
from deltastream.types import Snapshot

__all__ = ["file_outcomes"]


def file_outcomes(
    predicate: Predicate, snapshot: Snapshot, statistics_of: Sequence[Path]
) -> Outcomes:
    """Return what a filter may come to for the rows of each file.

    `statistics_of` are the columns of `snapshot.statistics`, in its order.
    """
    bounds: dict[Path, Bounds] = {}
    if snapshot.statistics is not None:
        for path, column in zip(statistics_of, snapshot.statistics.columns, strict=True):
            bounds[path] = Bounds.of_statistics(column)
    for name in snapshot.partition_columns:
        bounds[(name,)] = Bounds.of_values(snapshot.partitions[name])
    return outcomes(predicate, bounds, snapshot.files.num_rows)
