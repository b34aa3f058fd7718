"""Owns where a literal lies among the values that a column's type can have.

What a comparison means follows from it for every type at once, exactly: between two neighbours nothing is equal,
and ``< 5.5`` is ``<= 5`` for an integer. A literal beyond the type's range has a neighbour on one side only.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil, floor, inf, isinf, isnan

import numpy as np
import pyarrow as pa

from deltastream.predicate.expression import Timestamp, Value
from deltastream.predicate.moments import parse_moment

__all__ = ["Place", "locate"]

_DAY_NS = 86_400_000_000_000
_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}


@dataclass(frozen=True, slots=True)
class Place:
    """The largest value that is not above a literal and the smallest not below it; the same where it is a value.

    None where there is none; both None for NaN, which has no place in the order.
    """

    lower: pa.Scalar | None
    upper: pa.Scalar | None

    @property
    def exact(self) -> pa.Scalar | None:
        """The literal as a value of the type, if it is one."""
        if self.lower is None or self.upper is None or not self.lower.equals(self.upper):
            return None
        return self.lower


def locate(value: Value, type_: pa.DataType) -> Place:
    """Return the place of a literal that is not null; text is parsed as the type.

    A float literal against a decimal column is the decimal that Python prints for it; a decimal literal against a float
    column is the double nearest to it.

    Raises:
        ValueError: The literal cannot be compared with the type's values.
    """
    if pa.types.is_boolean(type_):
        return _exact(_boolean(value), type_)
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        if isinstance(value, str):
            return _exact(value, type_)
    elif pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        if isinstance(value, (str, bytes)):
            return _exact(value.encode() if isinstance(value, str) else value, type_)
    elif pa.types.is_integer(type_):
        return _ticks(_fraction(_number(value)), type_, type_)
    elif pa.types.is_floating(type_):
        return _float(_number(value), type_)
    elif pa.types.is_decimal(type_):
        return _decimal(_number(value), type_)
    elif pa.types.is_date32(type_):
        return _ticks(Fraction(_moment(value).nanoseconds, _DAY_NS), type_, pa.int32())
    elif pa.types.is_timestamp(type_):
        moment = _moment(value)
        if moment.zoned and type_.tz is None:
            raise ValueError("the column has no time zone, the literal has one")
        return _ticks(Fraction(moment.nanoseconds, _UNIT_NS[type_.unit]), type_, pa.int64())
    raise ValueError("such values cannot be compared")


def _exact(value: bool | str | bytes, type_: pa.DataType) -> Place:
    scalar = pa.scalar(value, type_)
    return Place(scalar, scalar)


def _boolean(value: Value) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _moment(value: Value) -> Timestamp:
    moment = parse_moment(value) if isinstance(value, str) else value
    if not isinstance(moment, Timestamp):
        raise ValueError("expected a date or a timestamp such as 2024-05-31 12:00:00")
    return moment


def _number(value: Value) -> int | float | Decimal:
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            raise ValueError("expected a number") from None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError("expected a number")
    if isinstance(value, Decimal):
        if not value.is_finite():
            return float(value)
        if value.adjusted() > 400:
            # Beyond every type: as a fraction it could have a billion digits.
            return -inf if value < 0 else inf
        if value.adjusted() < -400:
            return value if value.is_zero() else Decimal((value.as_tuple().sign, (1,), -400))
    return value


def _fraction(number: float | Decimal) -> Fraction | float:
    """Return a number exactly, a float as its digits are printed; infinities and NaN stay floats."""
    if isinstance(number, float):
        return number if isnan(number) or isinf(number) else Fraction(Decimal(repr(number)))
    return Fraction(number)


def _ticks(number: Fraction | float, type_: pa.DataType, storage: pa.DataType) -> Place:
    """Return the place in a type whose values are the integers of `storage`."""
    bits = storage.bit_width
    lowest, highest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    lower, upper = _neighbours(number, lowest, highest)
    return Place(*(_view(ticks, storage, type_) for ticks in (lower, upper)))


def _view(ticks: int | None, storage: pa.DataType, type_: pa.DataType) -> pa.Scalar | None:
    return None if ticks is None else pa.array([ticks], storage).view(type_)[0]


def _neighbours(
    number: Fraction | float, lowest: int, highest: int
) -> tuple[int | None, int | None]:
    if isinstance(number, float):
        if isnan(number):
            return None, None
        return (highest, None) if number > 0 else (None, lowest)
    lower, upper = floor(number), ceil(number)
    if lower > highest:
        return highest, None
    if upper < lowest:
        return None, lowest
    return (lower if lower >= lowest else None), (upper if upper <= highest else None)


def _decimal(number: int | float | Decimal, type_: pa.DataType) -> Place:
    fraction = _fraction(number)
    highest = 10**type_.precision - 1
    if isinstance(fraction, Fraction):
        fraction *= 10**type_.scale
    lower, upper = _neighbours(fraction, -highest, highest)
    return Place(*(_unscaled(value, type_) for value in (lower, upper)))


def _unscaled(value: int | None, type_: pa.DataType) -> pa.Scalar | None:
    if value is None:
        return None
    digits = tuple(map(int, str(abs(value))))
    return pa.scalar(Decimal((int(value < 0), digits, -type_.scale)), type_)


def _float(number: int | float | Decimal, type_: pa.DataType) -> Place:
    kind = {16: np.float16, 32: np.float32, 64: np.float64}[type_.bit_width]
    exact: int | float = number if isinstance(number, int) else float(number)
    if isinstance(exact, float) and isnan(exact):
        return Place(None, None)
    with np.errstate(over="ignore"):
        try:
            nearest = np.array(exact, np.float64).astype(kind)
        except OverflowError:
            nearest = np.array(inf if exact > 0 else -inf, kind)
    lower = upper = nearest
    # Python compares integers and floats exactly.
    if float(nearest) < exact:
        upper = np.nextafter(nearest, np.array(inf, kind))
    elif float(nearest) > exact:
        lower = np.nextafter(nearest, np.array(-inf, kind))
    return Place(pa.array([float(lower)], type_)[0], pa.array([float(upper)], type_)[0])
