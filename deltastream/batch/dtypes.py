"""Owns dtypes: which columns are numbers, what they may become, and the dtype that NumPy lacks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "bfloat16_bits",
    "holds",
    "is_stored_as_numbers",
    "number_dtype",
    "output_dtype",
    "stored_number",
]

_DECIMAL_INT64_DIGITS = 18


def number_dtype(type_: pa.DataType, *, floats: bool = False) -> np.dtype[np.generic] | None:
    """Return the dtype of a column whose values are single numbers in a tensor, else None.

    Dates are int32 days, timestamps int64 microseconds, both since 1970-01-01 (UTC, or local for timestamp_ntz);
    decimals of up to 18 digits are int64, scaled by ``10 ** scale``. With `floats` all decimals are float64.
    """
    if pa.types.is_boolean(type_):
        return np.dtype(np.bool_)
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        dtype: np.dtype[np.generic] = np.dtype(type_.to_pandas_dtype())
        return dtype
    if pa.types.is_date32(type_):
        return np.dtype(np.int32)
    if pa.types.is_timestamp(type_):
        return np.dtype(np.int64)
    if pa.types.is_decimal(type_):
        if floats:
            return np.dtype(np.float64)
        if type_.precision <= _DECIMAL_INT64_DIGITS:
            return np.dtype(np.int64)
    return None


def is_stored_as_numbers(type_: pa.DataType) -> bool:
    """Say whether a column's values lie in memory as `number_dtype` says: not as bits, nor as decimals of 16 bytes."""
    dtype = number_dtype(type_)
    return dtype is not None and bool(type_.bit_width == 8 * dtype.itemsize)


def output_dtype(name: str, source: np.dtype[np.generic]) -> np.dtype[np.generic] | None:
    """Return the dtype that numbers of `source` have in memory as `name`; None if they must not become that."""
    if name == "bfloat16":
        # Its bits.
        return np.dtype(np.uint16)
    dtype: np.dtype[np.generic] = np.dtype(name)
    if dtype.kind == "f" or dtype == source:
        return dtype
    # A fraction must not be cut, and what is no truth must not become one.
    return dtype if dtype.kind != "b" and source.kind != "f" else None


def bfloat16_bits(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Return the bits of the nearest bfloat16 of each value, ties to even, as torch rounds."""
    bits = values.view(np.uint32)
    # Half of what is cut off, less one where the last bit that stays is even; the carry may reach the exponent.
    rounded = ((bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16).astype(np.uint16)
    rounded[np.isnan(values)] = 0x7FC0
    return rounded


def stored_number(
    value: int | float | bool, dtype: np.dtype[np.generic], *, is_bfloat16: bool
) -> int | float | bool:
    """Return what stands for a user's number in an array of `dtype`."""
    if is_bfloat16:
        return int(bfloat16_bits(np.array([value], np.float32))[0])
    return value


def holds(dtype: np.dtype[np.generic], value: int | float | bool, *, is_bfloat16: bool) -> bool:
    """Say whether `value` is one of the dtype's, but for rounding to the nearest float."""
    if dtype.kind == "f" or is_bfloat16:
        try:
            with np.errstate(over="ignore"):
                rounded = np.float64(value).astype(np.float32 if is_bfloat16 else dtype)
        except OverflowError:
            return False
        return bool(np.isfinite(rounded)) or not np.isfinite(np.float64(value))
    if dtype.kind == "b":
        low, high = 0, 1
    else:
        low, high = np.iinfo(dtype.name).min, np.iinfo(dtype.name).max
    return low <= value <= high and float(value).is_integer()
