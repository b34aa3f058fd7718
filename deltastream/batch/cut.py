"""Owns the cut: from chunks of a lane to batches of exactly the size that was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import default_collate

from deltastream.batch.allocate import AnyArray, allocate
from deltastream.batch.binary import BinaryValues
from deltastream.batch.chunk import Chunk
from deltastream.batch.forms import present, tensor_of
from deltastream.batch.layout import Layout
from deltastream.batch.ragged import RaggedRows
from deltastream.errors import TransformError

__all__ = ["BatchCutter"]

_OBJECTS_AHEAD = 512
"""Tensors (and what holds them) made together: one call a field instead of one a field and batch. More than the garbage
collector's first threshold, 700, would make it run, at last over all of torch's objects: 28 % of the thread's time."""


@dataclass(slots=True)
class _Lane:
    number: int
    """Counted in the order in which lanes came."""
    chunks: deque[Chunk] = field(default_factory=deque)
    first: int = 0
    """Lane row of the first batch in `ready`."""
    ready: list[Any] = field(default_factory=list)
    stop: int = 0
    """Lane row up to which rows have come."""


class BatchCutter:
    """Cuts batches out of chunks, in the consumer's thread. Rows of a lane are cut in rising order.

    Tensors are views of their chunk's memory, and keep it. A batch that lies across chunks is copied together.
    """

    def __init__(
        self, layout: Layout, batch_size: int, take: Callable[[int], npt.NDArray[np.uint8]]
    ) -> None:
        """``take(nbytes)`` gives memory for the batches that lie across chunks."""
        self._layout = layout
        self._batch_size = batch_size
        self._take = take
        self._max_ahead = max(1, _OBJECTS_AHEAD // (2 + len(layout.fields)))
        self._per_row = {f.target for f in layout.fields if f.kind == "rows"}
        self._ragged = {f.target: f for f in layout.fields if f.kind == "ragged"}
        self._bfloat16 = {f.target for f in layout.fields if f.is_bfloat16}
        self._is_nested = layout.is_nested
        self._lanes: dict[Hashable, _Lane] = {}

    def add(self, lane: Hashable, chunk: Chunk) -> None:
        """Add the next chunk of a lane."""
        state = self._lanes.get(lane)
        if state is None:
            state = self._lanes[lane] = _Lane(len(self._lanes))
        state.chunks.append(chunk)
        state.stop = chunk.stop

    def clear(self) -> None:
        """Forget every chunk."""
        self._lanes.clear()

    def has(self, lane: Hashable, stop: int) -> bool:
        """Say whether the rows of `lane` up to `stop` are here."""
        state = self._lanes.get(lane)
        return state is not None and state.stop >= stop

    def cut(self, lane: Hashable, start: int, stop: int, *, fill: bool = False) -> Any:
        """Return the batch of rows ``[start, stop)`` of a lane and forget the rows before `stop`.

        With `fill` a short batch repeats its rows until it is full.
        """
        state = self._lanes[lane]
        index = (start - state.first) // self._batch_size
        if 0 <= index < len(state.ready):
            batch, state.ready[index] = state.ready[index], None
            return batch
        state.ready = []
        chunks = state.chunks
        while chunks[0].stop <= start:
            chunks.popleft().charge.release()
        if stop <= chunks[0].stop and stop - start == self._batch_size:
            return self._cut_ahead(state, start)
        arrays = self._join(chunks, start, stop)
        while chunks and chunks[0].stop <= stop:
            chunks.popleft().charge.release()
        if fill and stop - start < self._batch_size:
            rows = np.arange(self._batch_size) % (stop - start)
            arrays = {name: array[rows] for name, array in arrays.items()}
        return self._split(arrays, [self._batch_size if fill else stop - start])[0]

    def _cut_ahead(self, state: _Lane, start: int) -> Any:
        chunk = state.chunks[0]
        max_ahead = self._max_ahead
        if start < chunk.start + self._batch_size:
            # Lanes must not all make their tensors in the same steps: together they would start the collector, too.
            max_ahead = max(1, max_ahead * (state.number + 1) // len(self._lanes))
        num_batches = min(max_ahead, (chunk.stop - start) // self._batch_size)
        part = slice(start - chunk.start, start - chunk.start + num_batches * self._batch_size)
        state.first = start
        state.ready = self._split(
            {name: array[part] for name, array in chunk.arrays.items()},
            [self._batch_size] * num_batches,
        )
        if start + num_batches * self._batch_size == chunk.stop:
            # Used up: from here on the batches alone hold it.
            state.chunks.popleft().charge.release()
        batch, state.ready[0] = state.ready[0], None
        return batch

    def _join(
        self, chunks: Iterable[Chunk], start: int, stop: int
    ) -> dict[str, AnyArray | RaggedRows]:
        parts: dict[str, list[Any]] = {}
        for chunk in chunks:
            if chunk.start < stop:
                first, last = max(start, chunk.start), min(stop, chunk.stop)
                for name, array in chunk.arrays.items():
                    parts.setdefault(name, []).append(
                        array[first - chunk.start : last - chunk.start]
                    )
        tensors = [
            (name, arrays[0].dtype, arrays[0].shape[1:])
            for name, arrays in parts.items()
            if name not in self._ragged and arrays[0].dtype != np.object_
        ]
        joined = allocate(tensors, stop - start, self._take)
        return {
            name: RaggedRows.concatenate(arrays)
            if name in self._ragged
            else np.concatenate(arrays, out=joined.get(name))
            for name, arrays in parts.items()
        }

    def _split(self, arrays: Mapping[str, AnyArray | RaggedRows], sizes: list[int]) -> list[Any]:
        """Return batches of `sizes` rows, one after the other."""
        names = list(arrays)
        columns: list[Sequence[Any]] = []
        for name, array in arrays.items():
            if isinstance(array, RaggedRows):
                columns.append(self._split_ragged(name, array, arrays, sizes))
            elif array.dtype != np.object_:
                tensor = tensor_of(array, is_bfloat16=name in self._bfloat16)
                # "unsafe": autograd takes them for tensors of their own, which batches are, not for views.
                columns.append(torch.unsafe_split_with_sizes(tensor, sizes))
            else:
                stops = np.cumsum(sizes)
                columns.append(
                    [
                        self._values(name, array[b - n : b])
                        for n, b in zip(sizes, stops, strict=True)
                    ]
                )
        batches: list[Any] = [
            dict(zip(names, parts, strict=True)) for parts in zip(*columns, strict=True)
        ]
        if self._layout.row_dicts:
            return [
                [dict(zip(names, row, strict=True)) for row in zip(*batch.values(), strict=True)]
                for batch in batches
            ]
        return [Layout.nest(batch) for batch in batches] if self._is_nested else batches

    def _split_ragged(
        self,
        name: str,
        rows: RaggedRows,
        arrays: Mapping[str, AnyArray | RaggedRows],
        sizes: list[int],
    ) -> list[Any]:
        field = self._ragged[name]
        mask = arrays[field.mask] if field.has_mask else None
        starts = np.cumsum([0, *sizes]).tolist()
        parts = [slice(start, stop) for start, stop in pairwise(starts)]
        return [present(field, rows[part], None if mask is None else mask[part]) for part in parts]

    def _values(self, name: str, array: AnyArray) -> Any:
        values = array.tolist()
        if name not in self._per_row:
            if any(isinstance(value, memoryview) for value in values):
                return BinaryValues(values)
            return values
        if self._layout.row_dicts:
            return values
        try:
            return default_collate(values)
        except Exception as error:
            if isinstance(error, TypeError) and all(
                value is not None and type(value).__module__.startswith("PIL.") for value in values
            ):
                return values
            reason = str(error)
            if any(value is None for value in values):
                reason = "some are None: let transform make something of a null, or leave those rows out by filter="
            raise TransformError(
                f"field {name!r}: the values of its rows do not make a batch: {reason}"
            ) from error
