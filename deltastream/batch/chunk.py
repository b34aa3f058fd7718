"""Owns chunks: the finished rows of one window, one array a field, in the lane's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.allocate import AnyArray, allocate
from deltastream.batch.convert import convert
from deltastream.batch.layout import Field, Layout
from deltastream.batch.paths import take_path
from deltastream.batch.place import placement
from deltastream.batch.ragged import RaggedRows, RaggedWindow
from deltastream.batch.rows import RowNumbers, row_values
from deltastream.engine.budget import Charge
from deltastream.engine.buffers import WindowMemory
from deltastream.types import FileContext

__all__ = ["Chunk", "ChunkBuilder"]


@dataclass(slots=True)
class Chunk:
    """Rows ``[start, stop)`` of one lane: field (or mask) name to array ``[stop - start, *shape]``, or ragged rows."""

    start: int
    stop: int
    arrays: dict[str, AnyArray | RaggedRows]
    charge: Charge
    """What the arrays do not hold themselves: the bytes of Python objects."""

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


class ChunkBuilder:
    """Collects the decoded row groups of one window; `add` runs in the decode pool, several at once.

    A permuted window is one buffer for all its tensor fields, and every row is copied once: from where it was decoded
    to its place. A window in file order keeps the decoded memory itself; only stacked columns are copied.
    """

    def __init__(
        self,
        layout: Layout,
        positions: Callable[[], npt.NDArray[np.int64]] | None,
        *,
        start: int,
        stop: int,
        memory: WindowMemory,
        transform_slots: BoundedSemaphore,
        stopped: Event,
    ) -> None:
        """`positions()` gives, for each row to be added, in order, the row of the window that it becomes.

        It is called once, in the first pool thread that comes; None: every row stays where it is. Once `stopped` is
        set, no further row is transformed.
        """
        self._layout = layout
        self._make_positions = positions
        self._positions: npt.NDArray[np.int64] | None = None
        self._start = start
        self._stop = stop
        self._memory = memory
        self._transform_slots = transform_slots
        self._stopped = stopped
        self._lock = Lock()
        self._arrays: dict[str, AnyArray | RaggedRows] | None = None
        self._ragged: dict[str, RaggedWindow] = {}

    def add(
        self,
        columns: Mapping[str, pa.Array],
        rows: slice,
        *,
        context: FileContext,
        row_numbers: RowNumbers,
    ) -> None:
        """Add `rows` of the window, numbered in the order in which they are read.

        `row_numbers` are theirs in the row group, for messages.
        """
        arrays = self._allocated()
        places = placement(self._positions, rows)
        for field in self._layout.fields:
            sources = [columns[name] for name in field.columns]
            for name, values in self._convert(field, sources, context, row_numbers):
                target = arrays.get(name)
                if isinstance(values, RaggedRows) and name in self._ragged:
                    assert isinstance(places.positions, np.ndarray)
                    self._ragged[name].add(places.positions, values)
                elif isinstance(values, list):
                    assert isinstance(target, np.ndarray)
                    places.copy_stacked(target, values)
                elif isinstance(target, np.ndarray) and isinstance(values, np.ndarray):
                    places.copy_rows(target, values)
                else:
                    # Two fields of one column are two tensors, not one memory.
                    arrays[name] = values.copy() if field.is_second else values

    def finish(self) -> Chunk:
        """Return the window's rows, once all were added."""
        self._memory.settle(has_objects=self._layout.has_objects)
        arrays = self._allocated()
        names = [name for field in self._layout.fields for name in field.names]
        arrays |= {name: window.rows() for name, window in self._ragged.items()}
        ordered = {name: arrays[name] for name in names}
        return Chunk(self._start, self._stop, ordered, self._memory.rest)

    def _convert(
        self, field: Field, columns: list[pa.Array], context: FileContext, row_numbers: RowNumbers
    ) -> Iterator[tuple[str, AnyArray | RaggedRows | list[AnyArray]]]:
        """Yield the arrays of a field and of its mask; a list of arrays is to be stacked."""
        if field.kind == "rows":
            columns = [take_path(*pair) for pair in zip(columns, field.paths, strict=True)]
            with self._transform_slots:
                values = row_values(columns, field.spec, context, row_numbers, self._stopped.is_set)
                yield field.target, values
            return
        converted = [
            convert(column, field, index, self._memory, context)
            for index, column in enumerate(columns)
        ]
        masks = [mask for _, mask in converted if mask is not None]
        if field.kind == "stack":
            yield field.target, [v for v, _ in converted if isinstance(v, np.ndarray)]
            if masks:
                yield field.mask, [*masks]
        else:
            yield field.target, converted[0][0]
            if masks:
                yield field.mask, masks[0]

    def _allocated(self) -> dict[str, AnyArray | RaggedRows]:
        """Return the arrays that rows are copied to, made when the first row group comes.

        All tensors of a permuted window are parts of one buffer. A window in file order is one row group, whose
        decoded memory is kept: only what is stacked needs memory of its own.
        """
        with self._lock:
            if self._arrays is None:
                if self._make_positions is not None:
                    self._positions = self._make_positions()
                tensors = [
                    tensor
                    for field in self._layout.fields
                    if self._positions is not None or field.kind == "stack"
                    for tensor in field.tensors
                ]
                self._arrays = {**allocate(tensors, self._num_rows, self._memory.take)}
                if self._positions is not None:
                    for field in self._layout.fields:
                        if field.dtype is None:
                            self._arrays[field.target] = np.empty(self._num_rows, np.object_)
                        elif field.kind == "ragged":
                            window = RaggedWindow(self._num_rows, self._memory.take)
                            self._ragged[field.target] = window
            return self._arrays

    @property
    def _num_rows(self) -> int:
        return self._stop - self._start
