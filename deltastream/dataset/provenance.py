"""Owns where the rows of batches come from: noted as windows are read, and cut as batches are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deltastream.batch import Chunk, ChunkBuilder
from deltastream.pipeline import LaneKey
from deltastream.plan import Window
from deltastream.types import DecodeColumns, FileContext

__all__ = ["PROVENANCE", "OriginBuilder", "Origins", "Provenance", "TracedBuilder", "Trail"]

PROVENANCE = "provenance"
"""The key in a batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Provenance:
    """Where the rows of one batch come from: an entry of each array for each row, in the batch's order."""

    table_uri: str
    version: int
    epoch: int
    microbatch: int
    """The number of the batch in its epoch, all ranks' counted."""
    files: tuple[str, ...]
    """The paths of the files that it has rows of, as the log has them."""
    file: npt.NDArray[np.int64]
    """Indexes of `files`."""
    row_group: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    """Numbers in the row group as it is in the file, from 0, deleted rows counted."""

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Origins:
    """Where rows ``[start, stop)`` of a lane come from: ``[stop - start, 3]``, index of the path, row group and row."""

    start: int
    stop: int
    paths: tuple[str, ...]
    rows: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes


class OriginBuilder:
    """Notes the origins of one window's rows; decodes none of them."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._parts: list[tuple[slice, FileContext, npt.NDArray[np.int64] | range]] = []

    def add(
        self,
        decode: DecodeColumns,
        rows: slice,
        *,
        context: FileContext,
        row_numbers: npt.NDArray[np.int64] | range,
    ) -> None:
        self._parts.append((rows, context, row_numbers))

    def finish(self, *, num_rows: int | None = None) -> Origins:
        window = self._window
        paths: dict[str, int] = {}
        read = np.empty((window.num_rows, 3), np.int64)
        for rows, context, row_numbers in self._parts:
            read[rows, 0] = paths.setdefault(context.path, len(paths))
            assert context.row_group is not None
            read[rows, 1] = context.row_group
            read[rows, 2] = row_numbers
        placed = np.empty_like(read)
        placed[window.positions()] = read
        stop = window.stop if num_rows is None else window.start + num_rows
        return Origins(window.start, stop, tuple(paths), placed[:num_rows])


@dataclass(slots=True)
class _TracedChunk(Chunk):
    origins: Origins


class TracedBuilder:
    """Builds a chunk that knows the origins of its rows."""

    def __init__(self, chunks: ChunkBuilder, window: Window) -> None:
        self._chunks = chunks
        self._origins = OriginBuilder(window)

    def add(
        self,
        decode: DecodeColumns,
        rows: slice,
        *,
        context: FileContext,
        row_numbers: npt.NDArray[np.int64] | range,
    ) -> None:
        self._origins.add(decode, rows, context=context, row_numbers=row_numbers)
        self._chunks.add(decode, rows, context=context, row_numbers=row_numbers)

    def finish(self, *, num_rows: int | None = None) -> Chunk:
        chunk = self._chunks.finish(num_rows=num_rows)
        origins = self._origins.finish(num_rows=num_rows)
        return _TracedChunk(chunk.start, chunk.stop, chunk.arrays, chunk.charge, origins)


class Trail:
    """The origins of the chunks that one iterator has received, in the consumer's thread."""

    def __init__(self) -> None:
        self._lanes: dict[LaneKey, deque[Origins]] = {}

    def add(self, key: LaneKey, origins: Origins) -> None:
        """Append the origins of the next window of a lane."""
        self._lanes.setdefault(key, deque()).append(origins)

    def add_chunk(self, key: LaneKey, chunk: Chunk) -> None:
        """Append those of a chunk that a `TracedBuilder` built."""
        assert isinstance(chunk, _TracedChunk)
        self.add(key, chunk.origins)

    def stop(self, key: LaneKey) -> int:
        """Return the row of a lane up to which origins are known."""
        known = self._lanes.get(key)
        return known[-1].stop if known else 0

    def cut(
        self, key: LaneKey, start: int, stop: int, *, fill: int | None = None
    ) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
        """Return the paths and the ``[n, 3]`` origins of rows ``[start, stop)`` of a lane, and forget what is before.

        With `fill` they are repeated until there are so many.
        """
        known = self._lanes[key]
        while known[0].stop <= start:
            known.popleft()
        paths: dict[str, int] = {}
        parts = []
        for origins in known:
            if origins.start >= stop:
                break
            part = origins.rows[
                max(0, start - origins.start) : min(stop, origins.stop) - origins.start
            ].copy()
            # Of the paths of a window, a batch names those that it has rows of.
            for old in np.unique(part[:, 0]).tolist():
                paths.setdefault(origins.paths[old], len(paths))
            index = np.array([paths.get(path, -1) for path in origins.paths], np.int64)
            part[:, 0] = index[part[:, 0]]
            parts.append(part)
        rows = np.concatenate(parts)
        if fill is not None:
            rows = rows[np.arange(fill) % len(rows)]
        return tuple(paths), rows
