"""Owns chunks: the finished rows of one window, one array a field, in the lane's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.allocate import AnyArray, allocate
from deltastream.batch.convert import convert
from deltastream.batch.groups import ColumnGroups, FieldRead
from deltastream.batch.layout import Field
from deltastream.batch.numbers import stored_numbers
from deltastream.batch.place import Placement, placement
from deltastream.batch.ragged import RaggedRows, RaggedWindow
from deltastream.batch.rows import RowNumbers, row_values
from deltastream.batch.stack import Stack
from deltastream.batch.weigh import objects_nbytes
from deltastream.engine.budget import Charge
from deltastream.engine.buffers import ColumnMemory, WindowMemory
from deltastream.predicate import take_path
from deltastream.types import DecodeColumns, FileContext

__all__ = ["Chunk", "ChunkBuilder"]


@dataclass(slots=True)
class Chunk:
    """Rows ``[start, stop)`` of one lane: field (or mask) name to array ``[stop - start, *shape]``."""

    start: int
    stop: int
    arrays: dict[str, AnyArray | RaggedRows]
    charge: Charge
    """What the arrays do not hold themselves: the bytes of Python objects."""

    @property
    def nbytes(self) -> int:
        return self.charge.nbytes + sum(array.nbytes for array in self.arrays.values())


class ChunkBuilder:
    """Collects the decoded row groups of one window; `add` runs in the decode pool, several at once.

    Columns are decoded a few at a time and copied, once, to their places in one buffer for all tensor fields. A row
    group in file order that is a window alone stays where it was decoded, but for what is stacked.
    """

    def __init__(
        self,
        groups: ColumnGroups,
        positions: Callable[[], npt.NDArray[np.int64]] | None,
        *,
        start: int,
        stop: int,
        memory: WindowMemory,
        transform_slots: BoundedSemaphore,
        stopped: Event,
        on_finished: Callable[[Chunk], object] = lambda _: None,
    ) -> None:
        """`positions()` gives, for each row to be added, in order, the row of the window that it becomes.

        It is called once, in the first pool thread that comes; None: every row stays where it is, and rows of varying
        size come all at once. Once `stopped` is set, no further row is transformed.
        """
        self._groups = groups
        self._layout = groups.layout
        self._make_positions = positions
        self._positions: npt.NDArray[np.int64] | None = None
        self._start = start
        self._stop = stop
        self._memory = memory
        self._copied = ColumnMemory(memory, keeps=False)
        self._kept = ColumnMemory(memory, keeps=True)
        self._transform_slots = transform_slots
        self._stopped = stopped
        self._on_finished = on_finished
        self._lock = Lock()
        self._arrays: dict[str, AnyArray | RaggedRows] = {}
        self._ragged: dict[str, RaggedWindow] = {}
        self._is_allocated = False
        self._objects_nbytes: dict[tuple[str, int], int] = {}
        """Of the Python objects of a field, by its name and the first of some rows."""

    def add(
        self,
        decode: DecodeColumns,
        rows: slice,
        *,
        context: FileContext,
        row_numbers: RowNumbers,
    ) -> None:
        """Add `rows` of the window, numbered in the order in which they are read.

        `decode` gives some of their columns; each is placed, and dropped, before others are decoded. `row_numbers` are
        theirs in the row group.
        """
        self._allocate()
        places = placement(self._positions, rows, row_numbers)
        stacks: dict[str, Stack] = {}
        for group in self._groups.of(places.num_rows):
            columns = decode(group.columns, group.may_be_whole)
            for read in group.reads:
                memory = self._copied if read.is_copied else self._kept
                if read.stored is not None and not (column := columns[read.columns[0]]).null_count:
                    values = stored_numbers(column, read.stored, memory)
                    self._put(read, read.field.target, values, places, stacks)
                    continue
                arrays = [columns[name] for name in read.columns]
                for name, made in self._convert(read, arrays, memory, context, row_numbers):
                    if isinstance(made, np.ndarray) and made.dtype == np.object_:
                        column = arrays[0] if read.field.kind == "objects" else None
                        self._objects_nbytes[name, rows.start] = objects_nbytes(made, column)
                    self._put(read, name, made, places, stacks)

    def _convert(
        self,
        read: FieldRead,
        columns: list[pa.Array],
        memory: ColumnMemory,
        context: FileContext,
        row_numbers: RowNumbers,
    ) -> Iterator[tuple[str, AnyArray | RaggedRows]]:
        """Yield the arrays of a field (or of one of its stacked columns) and of its mask."""
        field = read.field
        if field.kind == "rows":
            columns = [take_path(*pair) for pair in zip(columns, field.paths, strict=True)]
            with self._transform_slots:
                values = row_values(columns, field.spec, context, row_numbers, self._stopped.is_set)
            yield field.target, values
            return
        converted, mask = convert(columns[0], field, read.index or 0, memory, context)
        yield field.target, converted
        if mask is not None:
            yield field.mask, mask

    def _put(
        self,
        read: FieldRead,
        name: str,
        values: AnyArray | RaggedRows,
        places: Placement,
        stacks: dict[str, Stack],
    ) -> None:
        if read.index is None:
            self._place(read.field, name, values, places)
            return
        stack = stacks.get(name)
        if stack is None:
            target = self._arrays[name]
            assert isinstance(target, np.ndarray)
            stack = stacks[name] = Stack(target, places, self._memory.take)
        assert isinstance(values, np.ndarray)
        stack.put(read.index, values)

    def _place(
        self, field: Field, name: str, values: AnyArray | RaggedRows, places: Placement
    ) -> None:
        target = self._arrays.get(name)
        if isinstance(values, RaggedRows) and name in self._ragged:
            assert isinstance(places.positions, np.ndarray)
            self._ragged[name].add(places.positions, values)
        elif isinstance(target, np.ndarray) and isinstance(values, np.ndarray):
            places.copy_rows(target, values)
        else:
            # Two fields of one column are two tensors, not one memory.
            self._arrays[name] = values.copy() if field.is_second else values

    def finish(self, *, num_rows: int | None = None) -> Chunk:
        """Return the window's rows, or the first `num_rows` of one in file order, once they were added."""
        self._memory.settle(sum(self._objects_nbytes.values()))
        self._allocate()
        self._arrays |= {name: window.rows() for name, window in self._ragged.items()}
        names = [name for field in self._layout.fields for name in field.names]
        ordered = {name: self._arrays[name] for name in names}
        if num_rows is None:
            chunk = Chunk(self._start, self._stop, ordered, self._memory.rest)
            self._on_finished(chunk)
            return chunk
        first = {name: array[:num_rows] for name, array in ordered.items()}
        return Chunk(self._start, self._start + num_rows, first, self._memory.rest)

    def _allocate(self) -> None:
        """Make the arrays that rows are copied to, parts of one buffer, when the first row group comes."""
        with self._lock:
            if self._is_allocated:
                return
            if self._make_positions is not None:
                self._positions = self._make_positions()
            copied = [field for field in self._layout.fields if self._groups.is_copied(field)]
            tensors = [tensor for field in copied for tensor in field.tensors]
            self._arrays.update(allocate(tensors, self._num_rows, self._memory.take))
            for field in copied:
                if field.dtype is None:
                    self._arrays[field.target] = np.empty(self._num_rows, np.object_)
                elif field.kind == "ragged":
                    self._ragged[field.target] = RaggedWindow(self._num_rows, self._memory.take)
            self._is_allocated = True

    @property
    def _num_rows(self) -> int:
        return self._stop - self._start
