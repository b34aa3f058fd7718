"""Owns what a constant becomes under a numeric type of SQL: Spark SQL, "Data Types" and "Literals"."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import numpy as np
from sqlglot import exp

__all__ = ["cast_number"]

_INTEGER_BITS = {
    exp.DType.TINYINT: 8,
    exp.DType.SMALLINT: 16,
    exp.DType.INT: 32,
    exp.DType.BIGINT: 64,
}
_DECIMAL_DIGITS = 38
"""Of Spark's widest decimal."""


def cast_number(value: str | int | float | Decimal, to: exp.DataType) -> int | float | Decimal:
    """Return a constant as a value of a numeric type: 0.1F is a float32, CAST(1.236 AS DECIMAL(10, 2)) is 1.24.

    Raises:
        ValueError, ArithmeticError: The type is no number of Spark's, or does not hold the value.
    """
    if to.this == exp.DType.FLOAT:
        # Beyond the range it is infinite, as in Spark.
        with np.errstate(over="ignore"):
            return float(np.float32(str(value)))
    if to.this == exp.DType.DOUBLE:
        return float(value)
    if to.this == exp.DType.DECIMAL:
        return _decimal(Decimal(str(value)), *(int(param.name) for param in to.expressions))
    number = int(value)
    # The lowest one is written as the negative of what is one too high.
    highest = 1 << _INTEGER_BITS[to.this] - 1 if to.this in _INTEGER_BITS else -1
    if number != Decimal(value) or abs(number) > highest:
        raise ValueError(f"{value!r} is no {to}")
    return number


def _decimal(value: Decimal, precision: int = 10, scale: int = 0) -> Decimal:
    """Return `value` with `scale` digits after the point, half away from zero; Spark's DECIMAL is DECIMAL(10, 0)."""
    with localcontext(prec=2 * _DECIMAL_DIGITS):
        rounded = value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        if precision > _DECIMAL_DIGITS or abs(rounded) >= Decimal(10) ** (precision - scale):
            raise ValueError(f"{value} is no DECIMAL({precision}, {scale})")
    return rounded
