"""Owns planning's second half: what becomes of the columns, from the fields and a look at the first rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.batch import Layout, resolve_layout
from deltastream.engine.pool import DecodePool
from deltastream.errors import FileCorruptError
from deltastream.fetch import LocalFiles
from deltastream.fields import FieldSpec
from deltastream.pipeline import PlannedRows, RowsRequest, plan_rows, run_planning
from deltastream.types import Snapshot

__all__ = ["plan_table"]

_FIRST_ROWS = 64
_FIRST_FILES = 16


def plan_table(
    request: RowsRequest, fields: Sequence[FieldSpec] | None, *, row_dicts: bool
) -> tuple[PlannedRows, Layout]:
    """Read the log, and no more of the data than the counts and the fields' shapes need. Blocks."""

    async def plan(pool: DecodePool) -> tuple[PlannedRows, Layout]:
        rows = await plan_rows(request, pool)

        def first_rows(names: list[str]) -> dict[str, pa.Array]:
            return _first_rows(rows.snapshot, rows.files, rows.live_rows, names)

        layout = await pool.run(
            resolve_layout,
            rows.snapshot.schema,
            fields,
            row_dicts=row_dicts,
            first_rows=first_rows,
        )
        return rows, layout

    return run_planning(plan)


def _first_rows(
    snapshot: Snapshot, files: LocalFiles, live_rows: npt.NDArray[np.int64], names: list[str]
) -> dict[str, pa.Array]:
    """Return the first values of some columns, from the first files of the table that have any."""
    found: dict[str, pa.Array] = {}
    for file in np.flatnonzero(live_rows)[:_FIRST_FILES]:
        missing = [name for name in names if name not in found]
        if not missing:
            break
        try:
            with files.open(int(file)) as source:
                found |= _first_values(source, snapshot.schema, missing)
        except (pa.ArrowException, OSError) as error:
            context = files.context(int(file), stage="first rows")
            raise FileCorruptError(f"{context}: the file does not decode: {error}") from error
    return found


def _first_values(
    source: pa.NativeFile, schema: pa.Schema, names: list[str]
) -> dict[str, pa.Array]:
    """Return the first values of those columns that the file has, but for columns without any."""
    with pq.ParquetFile(source, pre_buffer=False) as parquet:
        present = [name for name in names if name in parquet.schema_arrow.names]
        for rows in parquet.iter_batches(_FIRST_ROWS, columns=present, use_threads=False):
            columns = {name: rows.column(name).cast(schema.field(name).type) for name in present}
            return {
                name: values for name, values in columns.items() if values.null_count < len(values)
            }
    return {}
