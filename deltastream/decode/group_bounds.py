"""Owns what a footer says of the values in each row group of a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode.footer import Footer
from deltastream.decode.projection import Projection
from deltastream.predicate import Bounds, Path

__all__ = ["group_bounds"]

_MICROSECONDS = {"milliseconds": 1000, "microseconds": 1}


def group_bounds(
    footer: Footer, projection: Projection, partition: dict[str, pa.Scalar], paths: Sequence[Path]
) -> dict[Path, Bounds]:
    """Return the bounds of some columns in each row group; of a column that nothing is known of there are none."""
    bounds = {}
    num_groups = footer.metadata.num_row_groups
    for path in paths:
        if path[0] in partition:
            bounds[path] = Bounds.of_values(pa.repeat(partition[path[0]], num_groups))
            continue
        type_ = _type_of(projection.schema, path)
        if path[0] not in footer.columns:
            # A column added to the table after this file was written.
            bounds[path] = Bounds.of_values(pa.nulls(num_groups, type_))
        elif (leaf := footer.leaf(path)) is not None:
            bounds[path] = _bounds_of_leaf(footer.metadata, leaf, type_)
    return bounds


def _type_of(schema: pa.Schema, path: Path) -> pa.DataType:
    type_ = schema.field(path[0]).type
    for name in path[1:]:
        type_ = type_.field(name).type
    return type_


def _bounds_of_leaf(metadata: pq.FileMetaData, leaf: int, type_: pa.DataType) -> Bounds:
    entries = []
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(leaf)
        entries.append(_entry(chunk.statistics if chunk.is_stats_set else None, type_))
    fields = [("min", type_), ("max", type_), ("null_count", pa.int64())]
    columns = [
        pa.concat_arrays(
            [_one(entry[i], field_type) for entry in entries] or [pa.array([], field_type)]
        )
        for i, (_, field_type) in enumerate(fields)
    ]
    return Bounds.of_statistics(
        pa.StructArray.from_arrays(columns, names=[name for name, _ in fields])
    )


def _one(value: pa.Scalar | int | None, type_: pa.DataType) -> pa.Array:
    return pa.array([value], type_) if not isinstance(value, pa.Scalar) else pa.repeat(value, 1)


def _entry(
    statistics: Any, type_: pa.DataType
) -> tuple[pa.Scalar | None, pa.Scalar | None, int | None]:
    if statistics is None:
        return None, None, None
    nulls = statistics.null_count if statistics.has_null_count else None
    if not statistics.has_min_max:
        return None, None, nulls
    try:
        low, high = (_convert(statistics, which, type_) for which in ("min", "max"))
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        # Bounds that are no values of the type, such as text that was cut inside a character.
        return None, None, nulls
    return low, high, nulls


def _convert(statistics: Any, which: str, type_: pa.DataType) -> pa.Scalar | None:
    """Return a bound as the table's type; None where that may not be exact."""
    logical = statistics.logical_type.type
    raw = getattr(statistics, f"{which}_raw")
    if pa.types.is_timestamp(type_):
        if statistics.physical_type != "INT64" or logical != "TIMESTAMP":
            return None
        unit = _MICROSECONDS.get(json.loads(statistics.logical_type.to_json()).get("timeUnit"))
        return None if unit is None else pa.array([raw * unit], pa.int64()).view(type_)[0]
    if pa.types.is_date32(type_):
        return pa.array([raw], pa.int32()).view(type_)[0] if logical == "DATE" else None
    if pa.types.is_decimal(type_):
        value = getattr(statistics, which) if logical == "DECIMAL" else raw
        return pa.scalar(value).cast(type_)
    if pa.types.is_string(type_) or pa.types.is_binary(type_):
        if statistics.physical_type != "BYTE_ARRAY":
            return None
        return pa.scalar(raw, pa.binary()).cast(type_)
    if pa.types.is_integer(type_) and logical not in ("NONE", "INT"):
        return None
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_):
        return pa.scalar(raw).cast(type_)
    return None
