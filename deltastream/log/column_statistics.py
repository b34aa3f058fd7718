"""Owns the statistics of the columns that are asked for, one row for each add action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.log.bounds import cast_or_null, parse_bounds, sure_bounds
from deltastream.log.leaves import Leaf, child_type
from deltastream.log.statistics_json import KINDS, TIGHT, parse_statistics

__all__ = [
    "STATISTICS_PREFIX",
    "column_statistics",
    "parsed_columns",
    "partition_statistics",
    "with_statistics",
]

# With it no column of the table has the name of one of the files.
STATISTICS_PREFIX = "statistics/"


def column_statistics(
    texts: pa.Array | None,
    parsed: pa.StructArray | None,
    counts: pa.Array,
    leaves: Sequence[Leaf],
) -> list[pa.StructArray]:
    """Return ``struct<min, max, null_count>`` of each leaf, as `Snapshot.statistics` promises them.

    Args:
        texts: The JSON of ``stats``, null where absent; None where the log has no such column.
        parsed: ``stats_parsed``, used where the JSON gives nothing; None likewise.
        counts: The number of records of each add action.
    """
    structs = [] if texts is None else [parse_statistics(texts, leaves)]
    structs += [] if parsed is None else [parsed]
    found = []
    for leaf in leaves:
        said = _Said.nothing(leaf, len(counts))
        for struct in structs:
            said = said.or_else(_say(struct, leaf, counts))
        least, greatest = said.least, said.greatest
        if leaf.has_bounds:
            least, greatest = sure_bounds(least, greatest)
        found.append(_struct(least, greatest, said.nulls))
    return found


def with_statistics(
    adds: pa.Table,
    leaves: Sequence[Leaf],
    *,
    texts: pa.Array | None,
    parsed: pa.StructArray | None,
) -> pa.Table:
    """Append a column for each of `leaves`, `STATISTICS_PREFIX` and its number; arguments as of `column_statistics`."""
    if not leaves:
        return adds
    counts = pa.concat_arrays(adds.column("num_records").chunks)
    for i, column in enumerate(column_statistics(texts, parsed, counts, leaves)):
        adds = adds.append_column(f"{STATISTICS_PREFIX}{i}", column)
    return adds


def partition_statistics(values: pa.Array, counts: pa.ChunkedArray) -> pa.StructArray:
    """Return the statistics of a partition column, whose value all rows of a file have."""
    counts = pa.concat_arrays(counts.chunks)
    bounds = values
    if pa.types.is_floating(values.type):
        bounds = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return _struct(bounds, bounds, pc.if_else(values.is_null(), counts, 0))


def parsed_columns(parsed: pa.DataType, leaves: Sequence[Leaf]) -> list[str]:
    """Return the columns within ``stats_parsed`` that `column_statistics` reads, dotted."""
    paths: list[tuple[str, ...]] = [(TIGHT,)] if leaves else []
    paths += [(kind, *leaf.names) for leaf in leaves for kind in KINDS if leaf.names]
    types = {path: child_type(parsed, path) for path in paths}
    return [
        ".".join(path)
        for path, type_ in types.items()
        if type_ is not None and not pa.types.is_nested(type_)
    ]


@dataclass(frozen=True, slots=True)
class _Said:
    """What one form of the statistics says of a leaf."""

    least: pa.Array
    greatest: pa.Array
    nulls: pa.Array

    @classmethod
    def nothing(cls, leaf: Leaf, num_rows: int) -> _Said:
        bounds = pa.nulls(num_rows, leaf.type)
        return cls(bounds, bounds, pa.nulls(num_rows, pa.int64()))

    def or_else(self, other: _Said) -> _Said:
        return _Said(
            pc.coalesce(self.least, other.least),
            pc.coalesce(self.greatest, other.greatest),
            pc.coalesce(self.nulls, other.nulls),
        )


def _say(struct: pa.StructArray, leaf: Leaf, counts: pa.Array) -> _Said:
    if not leaf.names:
        return _Said.nothing(leaf, len(struct))
    least, greatest = (
        _column(struct, (kind, *leaf.names), leaf.type)
        if leaf.has_bounds
        else pa.nulls(len(struct), leaf.type)
        for kind in KINDS[:2]
    )
    nulls = _column(struct, (KINDS[2], *leaf.names), pa.int64())
    return _Said(least, greatest, _sure_nulls(nulls, _column(struct, (TIGHT,), pa.bool_()), counts))


def _column(struct: pa.StructArray, path: tuple[str, ...], type_: pa.DataType) -> pa.Array:
    """Return a field of the statistics as `type_`; a column that was widened has it in the old one."""
    found = child_type(struct.type, path)
    if found is None or pa.types.is_nested(found):
        return pa.nulls(len(struct), type_)
    values = pc.struct_field(struct, list(path))
    if not pa.types.is_string(found):
        return cast_or_null(values, type_)
    is_text = pa.types.is_string(type_) or pa.types.is_temporal(type_)
    if not is_text:
        return pa.nulls(len(struct), type_)
    return parse_bounds(values, type_, is_upper=path[0] == KINDS[1])


def _sure_nulls(nulls: pa.Array, tight: pa.Array, counts: pa.Array) -> pa.Array:
    """PROTOCOL.md, "Per-file Statistics": if bounds are wide, only none and all of the records say something."""
    is_extreme = pc.or_(pc.equal(nulls, 0), pc.fill_null(pc.equal(nulls, counts), False))
    is_sure = pc.or_(pc.fill_null(tight, True), is_extreme)
    return pc.if_else(
        pc.and_(is_sure, pc.greater_equal(nulls, 0)), nulls, pa.scalar(None, pa.int64())
    )


def _struct(least: pa.Array, greatest: pa.Array, nulls: pa.Array) -> pa.StructArray:
    return pa.StructArray.from_arrays([least, greatest, nulls], ["min", "max", "null_count"])
