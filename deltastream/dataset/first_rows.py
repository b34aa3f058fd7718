"""Owns a look at the first live rows, for what the schema does not say: how long lists and binary values are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.decode import Projection, decode_first_rows, read_footer
from deltastream.engine.pool import DecodePool
from deltastream.fetch import Fetched
from deltastream.fields import FieldSpec
from deltastream.pipeline import PlannedRows, Prepared, fetch_tails
from deltastream.predicate import parse_column
from deltastream.selection import RowSelection
from deltastream.types import ByteRange

__all__ = ["FirstRows", "values_may_decide"]

_FIRST_ROWS = 64
_FEW_ROWS = 2
"""A look at so many comes before: where their lengths differ, those of 62 more images decide nothing. Divides
`_FIRST_ROWS`, so that both looks begin with the same live row."""
_FIRST_FILES = 16
_STAGE = "first rows"


def values_may_decide(
    fields: Sequence[FieldSpec] | None, schema: pa.Schema, *, row_dicts: bool
) -> bool:
    """Say whether the layout may ask for first rows: it does for lists and binary values of unknown length."""
    if row_dicts:
        return False
    # The first name alone: a dot after it may be of the column's name.
    columns = {
        parse_column(name).parts[0].split(".")[0].lower()
        for spec in fields or ()
        for name in spec.names
    }
    return any(
        _has_lengths(field.type)
        for field in schema
        if fields is None or field.name.split(".")[0].lower() in columns
    )


def _has_lengths(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return any(_has_lengths(field.type) for field in type_)
    return bool(pa.types.is_binary(type_) or pa.types.is_list(type_))


def _lengths_differ(values: pa.Array) -> bool:
    """Say whether values show that they have no one length, which nothing inside them could have."""
    if pa.types.is_binary(values.type):
        lengths = pc.binary_length(values)
    elif pa.types.is_list(values.type) and not _has_lengths(values.type.value_type):
        lengths = pc.list_value_length(values)
    else:
        return False
    return bool(pc.count_distinct(lengths).as_py() > 1)


class FirstRows:
    """Finds the first values of columns in the first files of a table that have any."""

    def __init__(self, rows: PlannedRows) -> None:
        self._rows = rows
        self._files: list[int] = np.flatnonzero(rows.live_rows)[:_FIRST_FILES].tolist()
        self._prepared = Prepared({}, {})
        self._fetched: dict[str, pa.Array] = {}

    async def prepare(self, pool: DecodePool) -> None:
        """Read what comes over a network, and the deletion vectors of the first files.

        A row that was deleted for its length must not decide one. Which columns will be asked for is not known: of a
        remote table all that may be are read.
        """
        rows = self._rows
        if not rows.files.is_remote:
            self._prepared = await rows.selector.prepare(self._files, {}, pool)
            return
        names = [field.name for field in rows.schema if _has_lengths(field.type)]
        for file in self._files:
            missing = [name for name in names if name not in self._fetched]
            if not missing:
                return
            tails = await fetch_tails(rows.files, [file], stage=_STAGE)
            prepared = await rows.selector.prepare([file], tails, pool)
            fetched = tails[file]
            selection = await pool.run(rows.selector.select, file, prepared)
            if not fetched.is_whole:
                wanted = await pool.run(self._ranges, file, missing, fetched, selection)
                # Arrow parses the footer again.
                with_footer = [*wanted, *fetched.ranges]
                planned = rows.files.plan_ranges(with_footer)
                fetched = await rows.files.fetch(file, planned, stage=_STAGE) or fetched
            self._fetched |= await pool.run(self._decode, file, missing, fetched, selection)

    def find(self, names: list[str]) -> dict[str, pa.Array]:
        """Return the first live values of those columns that have any. Blocks."""
        if self._rows.files.is_remote:
            return {name: self._fetched[name] for name in names if name in self._fetched}
        found: dict[str, pa.Array] = {}
        for file in self._files:
            missing = [name for name in names if name not in found]
            if not missing:
                break
            selection = self._rows.selector.select(file, self._prepared)
            found |= self._decode(file, missing, None, selection)
        return found

    def _decode(
        self, file: int, names: list[str], fetched: Fetched | None, selection: RowSelection | None
    ) -> dict[str, pa.Array]:
        files = self._rows.files
        context = files.context(file, stage=_STAGE)
        first: dict[str, pa.Array] = {}
        lives_early = selection is None or len(selection.live_rows(0, _FEW_ROWS)) > 0
        for num_rows in (_FEW_ROWS, _FIRST_ROWS) if lives_early else (_FIRST_ROWS,):
            with files.open(file, fetched) as source:
                first = decode_first_rows(
                    source, self._projection(names), num_rows, context, selection
                )
            if all(map(_lengths_differ, first.values())):
                break
        return {name: some for name, some in first.items() if some.null_count < len(some)}

    def _ranges(
        self, file: int, names: list[str], tail: Fetched, selection: RowSelection | None
    ) -> list[ByteRange]:
        """Return the bytes of the row groups up to the first live rows."""
        files = self._rows.files
        with files.open(file, tail) as source:
            footer = read_footer(
                source,
                self._projection(names),
                num_records=None,
                context=files.context(file, stage=_STAGE),
                selection=selection,
                checks_chunks=True,
            )
        num_rows = footer.decoded.num_rows
        group = int(np.flatnonzero(footer.sizes.num_rows)[0])
        first = int(num_rows[:group].sum()) + int(footer.live_rows(group, 0, 1)[0])
        # Rows are decoded `_FIRST_ROWS` at a time, over the ends of row groups.
        stop = (first // _FIRST_ROWS + 1) * _FIRST_ROWS
        num_groups = min(int(np.searchsorted(np.cumsum(num_rows), stop)) + 1, len(num_rows))
        return [
            part
            for i in range(num_groups)
            for part in footer.chunk_ranges(i, file_nbytes=tail.file_nbytes)
        ]

    def _projection(self, names: list[str]) -> Projection:
        snapshot = self._rows.snapshot
        return Projection(
            pa.schema([self._rows.schema.field(name) for name in names]),
            frozenset(snapshot.partition_columns),
            column_mapping=snapshot.column_mapping,
        )
