"""Owns which rows of a file live: those that neither its deletion vector nor the filter drops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.decode import FileFilter, Projection, parse_deletion_vector
from deltastream.engine.pool import DecodePool
from deltastream.fetch import DataFiles, DeletionVectors, Fetched
from deltastream.predicate import Predicate, paths_of, project_columns
from deltastream.selection import RowSelection
from deltastream.types import Snapshot

__all__ = ["Prepared", "RowFilter", "Selector"]


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter, and the files of the snapshot whose rows have to be looked at for it."""

    predicate: Predicate
    undecided: npt.NDArray[np.bool_]
    """For each file; of the others every row passes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was fetched for the selections of some files, by file."""

    vectors: Mapping[int, bytes]
    filters: Mapping[int, tuple[FileFilter, Fetched | None]]
    """Of remote files: what the footer tells, and the columns of the row groups that it leaves open, if any."""


class Selector:
    """Makes the row selection of one file after the other, for the plan's counts and again where the file is read."""

    def __init__(
        self,
        snapshot: Snapshot,
        num_records: npt.NDArray[np.int64],
        row_filter: RowFilter | None,
        files: DataFiles,
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

    @property
    def files(self) -> DataFiles:
        """The files that are looked at."""
        return self._files

    async def prepare(
        self,
        files: Sequence[int],
        tails: Mapping[int, Fetched],
        pool: DecodePool,
        *,
        afresh: bool = False,
    ) -> Prepared:
        """Fetch what `select` needs of `files`: deletion vectors, and of remote files the filter's columns.

        `tails`: the bytes that the footers of remote files lie in. `afresh`: vectors come from the store, whatever a
        cache has.

        Raises:
            ReadError: A file, or its deletion vector, is not what the log promised.
        """
        vectors = await self._vectors.read(files, afresh=afresh)
        if not self._files.is_remote:
            return Prepared(vectors, {})
        undecided = [file for file in files if self._is_undecided(file)]
        if not undecided:
            return Prepared(vectors, {})
        filters = await pool.run(
            lambda: {
                file: self._read_filter(file, vectors.get(file), tails[file]) for file in undecided
            }
        )
        fetched: dict[int, tuple[FileFilter, Fetched | None]] = {}
        failures: list[Exception] = []

        async def fetch(file: int) -> None:
            try:
                fetched[file] = (filters[file], await self._fetch(file, filters[file], tails[file]))
            except Exception as error:
                # A task group would wrap it.
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for file in undecided:
                tasks.start_soon(fetch, file)
        if failures:
            raise failures[0]
        return Prepared(vectors, fetched)

    def select(self, file: int, prepared: Prepared) -> RowSelection | None:
        """Return which rows of a file live; None if all do. Blocks: call it in the decode pool.

        Raises:
            ReadError: The file, or its deletion vector, is not what the log promised.
        """
        vector = prepared.vectors.get(file)
        if not self._is_undecided(file):
            return self._deleted(file, vector)
        if file not in prepared.filters:
            with self._files.open(file) as source:
                return self._file_filter(file, vector, source).select(source)
        file_filter, fetched = prepared.filters[file]
        if fetched is None:
            return file_filter.decided
        with self._files.open(file, fetched) as source:
            return file_filter.select(source)

    def _is_undecided(self, file: int) -> bool:
        return self._filter is not None and bool(self._filter.undecided[file])

    async def _fetch(self, file: int, file_filter: FileFilter, tail: Fetched) -> Fetched | None:
        if not file_filter.undecided or tail.is_whole:
            return tail if file_filter.undecided else None
        wanted = [
            file_filter.footer.chunk_ranges(row_group, file_nbytes=tail.file_nbytes)
            for row_group in file_filter.undecided
        ]
        return await self._files.fetch(file, self._files.plan_ranges(*wanted), stage="filter")

    def _read_filter(self, file: int, vector: bytes | None, tail: Fetched) -> FileFilter:
        with self._files.open(file, tail) as source:
            return self._file_filter(file, vector, source)

    def _file_filter(self, file: int, vector: bytes | None, source: pa.NativeFile) -> FileFilter:
        assert self._filter is not None
        return FileFilter.read(
            source,
            self._filter.predicate,
            self._projection,
            {
                name: self._snapshot.partitions[name][file]
                for name in self._projection.partition_columns
            },
            num_records=int(self._num_records[file]),
            deleted=self._deleted(file, vector),
            context=self._files.context(file, stage="filter"),
        )

    def _deleted(self, file: int, stored: bytes | None) -> RowSelection | None:
        if stored is None:
            return None
        vector = self._vectors.find(file)
        assert vector is not None
        return parse_deletion_vector(
            stored,
            vector,
            num_records=int(self._num_records[file]),
            context=self._vectors.context(file, vector),
        )
