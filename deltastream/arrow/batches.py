"""Owns record batches as an iterator: every live row of a version once, in base order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.engine.budget import Charge
from deltastream.engine.buffers import BufferPool
from deltastream.engine.channel import EndOfStream
from deltastream.pipeline import EngineIterator, LaneKey, ReadEngine, ReadOptions, ReadPlan
from deltastream.plan import LaneSpan, Window
from deltastream.types import DecodeColumns, FileContext

__all__ = ["ArrowBatches"]

_LANE: LaneKey = (0, False)
"""One lane of batches of one row: it has every row, and leaves none to a shared lane."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one row group. They own their memory; the charges are for as long as it waits here."""

    batch: pa.RecordBatch
    charges: tuple[Charge, ...]

    @property
    def nbytes(self) -> int:
        return int(self.batch.nbytes)


class _RowsBuilder:
    """Keeps the decoded columns themselves: without shuffle a window is one slice of one row group."""

    def __init__(self, schema: pa.Schema, charge: Charge, buffers: BufferPool) -> None:
        self._schema = schema
        self._charge = charge
        self._buffers = buffers
        self._batch: pa.RecordBatch | None = None

    def add(
        self,
        decode: DecodeColumns,
        rows: slice,
        *,
        context: FileContext,
        row_numbers: npt.NDArray[np.int64] | range,
    ) -> None:
        assert self._batch is None, "a window of several row groups"
        columns = decode(tuple(self._schema.names), frozenset())
        arrays = [_as_type(columns[field.name], field.type) for field in self._schema]
        if arrays:
            self._batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        else:
            # A struct array has a length also without fields; a record batch gets its own from it.
            no_fields = pa.array([{}] * (rows.stop - rows.start), pa.struct([]))
            self._batch = pa.RecordBatch.from_struct_array(no_fields)

    def finish(self, *, num_rows: int | None = None) -> _Rows:
        assert self._batch is not None
        # The charge was an estimate.
        nbytes, charged = int(self._batch.nbytes), self._charge.nbytes
        self._charge.reduce(charged - nbytes)
        charges = [self._charge]
        if nbytes > charged:
            charges.append(self._buffers.charge(nbytes - charged))
        return _Rows(self._batch, tuple(charges))


class _ArrowChunks:
    holds_decoded = False
    row_nbytes = 0

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def begin(self, window: Window, charge: Charge, buffers: BufferPool) -> _RowsBuilder:
        return _RowsBuilder(self._schema, charge, buffers)

    def stop(self) -> None:
        """Decoding a row group cannot be stopped."""


class ArrowBatches(EngineIterator[pa.RecordBatch, _Rows]):
    """The live rows of a version as record batches, in base order: one for each row group.

    Making it starts a loop thread and decode threads, which read ahead within the memory budget. A batch owns its
    memory; what is read ahead and was not taken yet counts against the budget.
    """

    def __init__(
        self,
        plan: ReadPlan,
        schema: pa.Schema,
        options: ReadOptions,
        *,
        max_rows: int | None,
    ) -> None:
        """`schema`: of the batches. `max_rows`: cut longer row groups into batches of as many rows."""
        self.schema = schema
        self._max_rows = max_rows
        self._ready: deque[pa.RecordBatch] = deque()
        self._is_open = True
        order = plan.epoch(0, lanes=1)
        span = LaneSpan(0, 0, order.num_rows)
        needs = iter([(_LANE, span)] if order.num_rows else [])
        super().__init__(ReadEngine(plan, order, needs, _ArrowChunks(schema), options))

    def _make(self) -> pa.RecordBatch:
        if not self._ready:
            self._receive()
        return self._ready.popleft()

    def _receive(self) -> None:
        if not self._is_open:
            raise StopIteration
        try:
            _, rows = self._engine.channel.receive()
        except EndOfStream:
            raise StopIteration from None
        for charge in rows.charges:
            charge.release()
        step = self._max_rows or rows.batch.num_rows
        self._ready.extend(
            rows.batch.slice(start, step) for start in range(0, rows.batch.num_rows, step)
        )

    def _forget(self) -> None:
        self._is_open = False
        self._ready.clear()


def _as_type(column: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return a column under a type that differs at most in its fields' metadata."""
    return column if column.type.equals(type_, check_metadata=True) else column.view(type_)
