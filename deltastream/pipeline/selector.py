"""Owns which rows of a file live: those that neither its deletion vector nor the filter drops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deltastream.decode import Projection, filter_file, parse_deletion_vector
from deltastream.fetch import DeletionVectors, LocalFiles
from deltastream.predicate import Predicate, paths_of, project_columns
from deltastream.selection import RowSelection
from deltastream.types import Snapshot

__all__ = ["RowFilter", "Selector"]


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter, and the files of the snapshot whose rows have to be looked at for it."""

    predicate: Predicate
    undecided: npt.NDArray[np.bool_]
    """For each file; of the others every row passes."""


class Selector:
    """Makes the row selection of one file after the other, for the plan's counts and again where the file is read."""

    def __init__(
        self,
        snapshot: Snapshot,
        num_records: npt.NDArray[np.int64],
        row_filter: RowFilter | None,
        files: LocalFiles,
        vectors: DeletionVectors,
    ) -> None:
        self._snapshot = snapshot
        self._num_records = num_records
        self._filter = row_filter
        self._files = files
        self._vectors = vectors
        if row_filter is not None:
            schema = project_columns(snapshot.schema, paths_of(row_filter.predicate))
            partitioned = frozenset(snapshot.partition_columns) & frozenset(schema.names)
            self._projection = Projection(
                schema, partitioned, column_mapping=snapshot.column_mapping
            )

    async def read_vectors(self, files: Sequence[int]) -> dict[int, bytes]:
        """Return the deletion vectors of those `files` that have one, as they are stored."""
        return await self._vectors.read(files)

    def select(self, file: int, vector: bytes | None) -> RowSelection | None:
        """Return which rows of a file live; None if all do. Blocks: call it in the decode pool.

        Raises:
            ReadError: The file, or its deletion vector, is not what the log promised.
        """
        deleted = None if vector is None else self._deleted(file, vector)
        if self._filter is None or not self._filter.undecided[file]:
            return deleted
        with self._files.open(file) as source:
            return filter_file(
                source,
                self._filter.predicate,
                self._projection,
                {
                    name: self._snapshot.partitions[name][file]
                    for name in self._projection.partition_columns
                },
                num_records=int(self._num_records[file]),
                deleted=deleted,
                context=self._files.context(file, stage="filter"),
            )

    def _deleted(self, file: int, stored: bytes) -> RowSelection:
        vector = self._vectors.find(file)
        assert vector is not None
        return parse_deletion_vector(
            stored,
            vector,
            num_records=int(self._num_records[file]),
            context=self._vectors.context(file, vector),
        )
