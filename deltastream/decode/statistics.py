"""Owns what a footer says of the values of a row group: between which bounds they lie, how many are null."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from deltastream.decode.arrow_types import is_nested
from deltastream.decode.casts import find_cast
from deltastream.decode.footer import Footer
from deltastream.decode.nodes import Leaf, Missing, Node, Struct

__all__ = ["row_group_statistics"]

_Bounds = tuple[Any, Any]
_NO_BOUNDS: _Bounds = (None, None)
# The first versions whose order of bytes is the one of the Parquet format ("Statistics: min_value, max_value").
_FIRST_IN_ORDER = {"parquet-mr": (1, 10), "parquet-cpp": (1, 3)}


def row_group_statistics(footer: Footer, path: tuple[str, ...]) -> pa.StructArray:
    """Return ``struct<min, max, null_count>`` for each row group, as `Snapshot.statistics` has it for each file.

    The footer was read with `checks_chunks`. `path` is a wanted column of the table, or a field below one. No
    value but NaN lies outside ``[min, max]``, which are of the table's type; each is null where the file says nothing
    sure: no statistics, values inside a list or map, INT96, bounds of bytes by a writer that ordered or cut them
    otherwise.
    """
    target, node = _find(footer, path)
    row_groups = [footer.metadata.row_group(i) for i in range(footer.metadata.num_row_groups)]
    bounds: list[_Bounds] = [_NO_BOUNDS] * len(row_groups)
    null_counts: list[int | None] = [None] * len(row_groups)
    if node is None:
        null_counts = [group.num_rows for group in row_groups]
    elif isinstance(node, Leaf):
        trusted = _orders_bytes(footer.created_by)
        for i, group in enumerate(row_groups):
            chunk = group.column(node.leaves[0])
            if (statistics := chunk.statistics) is not None:
                bounds[i] = _bounds(statistics, node.source, trusted=trusted)
                null_counts[i] = statistics.null_count if statistics.has_null_count else None
    arrays = [_typed([pair[side] for pair in bounds], node, target) for side in (0, 1)]
    return pa.StructArray.from_arrays(
        [*arrays, pa.array(null_counts, pa.int64())], ["min", "max", "null_count"]
    )


def _find(footer: Footer, path: tuple[str, ...]) -> tuple[pa.DataType, Node | None]:
    """Return the type of the column or field, and where it is in the file; None if the file lacks it."""
    target = footer.columns.targets[path[0]]
    found = footer.columns.found.get(path[0])
    node = None if found is None else found[1]
    for name in path[1:]:
        index = target.get_field_index(name)
        target = target.field(index).type
        if isinstance(node, Struct):
            child = node.children[index]
            node = None if isinstance(child, Missing) else child[1]
    return target, node


def _orders_bytes(created_by: str | None) -> bool:
    """Whether the file's writer compares bytes, and unsigned integers, as Parquet says.

    Older ones took them as signed (PARQUET-251, PARQUET-686).
    """
    if not created_by:
        return False
    for writer, first in _FIRST_IN_ORDER.items():
        if created_by.startswith(writer) and "compatible" not in created_by:
            version = re.match(rf"{writer}\S* version (\d+)\.(\d+)", created_by)
            return version is not None and (int(version[1]), int(version[2])) >= first
    return True


def _bounds(statistics: pq.Statistics, source: pa.DataType, *, trusted: bool) -> _Bounds:
    physical = statistics.physical_type
    in_order = trusted or not (pt.is_unsigned_integer(source) or "BYTE_ARRAY" in physical)
    if not statistics.has_min_max or physical == "INT96" or not in_order:
        return _NO_BOUNDS
    # Newer releases of pyarrow tell where a bound was cut.
    if not all(
        getattr(statistics, name, None) in (None, True)
        for name in ("is_min_value_exact", "is_max_value_exact")
    ):
        return _NO_BOUNDS
    low, high = statistics.min_raw, statistics.max_raw
    if isinstance(low, float):
        if math.isnan(low) or math.isnan(high):
            return _NO_BOUNDS
        # A bound of zero stands for both zeros (Parquet format, "ColumnOrder").
        return (low or -0.0, high or 0.0)
    return low, high


def _typed(raw: list[Any], node: Node | None, target: pa.DataType) -> pa.Array:
    """Return physical values as the table's type; nulls where they are none of it."""
    if isinstance(node, Leaf) and not is_nested(target):
        source = node.source.value_type if pt.is_dictionary(node.source) else node.source
        try:
            values = _logical(raw, source)
            convert = None if values is None else find_cast(values.type, target)
            if convert is not None:
                return convert(values)
        except (pa.ArrowException, OverflowError):
            # Bounds that their column's values could not have.
            pass
    return pa.nulls(len(raw), target)


def _logical(raw: list[Any], source: pa.DataType) -> pa.Array | None:
    if pt.is_decimal(source):
        return pa.array([_decimal(value, source.scale) for value in raw], source)
    if pt.is_boolean(source) or pt.is_float32(source) or pt.is_float64(source):
        return pa.array(raw, source)
    if pt.is_unsigned_integer(source):
        # Physically signed, of the same bits.
        bits = max(source.bit_width, 32)
        return pa.array([None if v is None else v % 2**bits for v in raw], source)
    if pt.is_signed_integer(source):
        return pa.array(raw, source)
    if pt.is_date32(source):
        return pa.array(raw, pa.int32()).view(source)
    if pt.is_timestamp(source):
        return pa.array(raw, pa.int64()).view(source)
    if any(isinstance(value, bytes) for value in raw):
        return pa.array(raw, pa.binary())
    return None


def _decimal(value: int | bytes | None, scale: int) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        value = int.from_bytes(value, "big", signed=True)
    # Not by arithmetic: that would round to the context's precision.
    digits = tuple(map(int, str(abs(value))))
    return Decimal((int(value < 0), digits, -scale))
