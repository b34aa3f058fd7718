"""Owns bounds: what is known of a column's values in each of many files or row groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Bools", "Bounds", "combined"]

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bounds:
    """For each unit (a file, a row group) what a column may hold in it; where nothing is known, anything."""

    lower: pa.Array
    """No value but NaN is below it; null where unknown."""
    upper: pa.Array
    may_be_value: Bools
    """Whether any row may be neither null nor NaN."""
    may_be_nan: Bools
    may_be_null: Bools

    def __len__(self) -> int:
        return len(self.lower)

    @staticmethod
    def of_statistics(statistics: pa.Array | pa.ChunkedArray) -> Bounds:
        """Return the bounds of ``struct<min, max, null_count>``, each null where unknown.

        `null_count` says how many nulls there are at most, so only 0 of them decides anything.
        """
        struct = combined(statistics)
        lower, upper, nulls = (struct.field(i) for i in range(3))
        if struct.null_count:
            lower, upper, nulls = struct.flatten()
        is_float = pa.types.is_floating(lower.type)
        unknown = np.ones(len(struct), np.bool_)
        return Bounds(
            _without_nan(lower),
            _without_nan(upper),
            unknown,
            unknown if is_float else ~unknown,
            _true(pc.not_equal(nulls, 0)),
        )

    @staticmethod
    def of_values(values: pa.Array | pa.ChunkedArray) -> Bounds:
        """Return the bounds of a column that has one value in all rows of a unit: a partition column."""
        array = combined(values)
        bounds = _without_nan(array)
        is_null = _true(array.is_null())
        may_be_value = _true(bounds.is_valid())
        return Bounds(bounds, bounds, may_be_value, ~is_null & ~may_be_value, is_null)

    @staticmethod
    def unknown(type_: pa.DataType, num_units: int) -> Bounds:
        """Return bounds that decide nothing."""
        nothing, anything = pa.nulls(num_units, type_), np.ones(num_units, np.bool_)
        return Bounds(nothing, nothing, anything, anything, anything)


def combined(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _without_nan(values: pa.Array) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _true(values: pa.Array) -> Bools:
    """Return booleans, unknown ones as true."""
    result: Bools = values.fill_null(True).to_numpy(zero_copy_only=False)
    return result
