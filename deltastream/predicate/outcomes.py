"""Owns pruning: what a predicate can come to in each of many files or row groups, given bounds of its columns.

An abstract interpretation of Kleene's logic: for every unit the set of truth values that any of its rows may have.
The sets only ever err by being too large, so that what they exclude is sure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.predicate.bound import (
    All,
    Always,
    Among,
    Any,
    Complement,
    Decided,
    Foreign,
    IsNaNAt,
    IsNullAt,
    IsTrueOf,
    Matches,
    OfColumns,
    OfValue,
    Predicate,
)
from deltastream.predicate.bounds import Bools, Bounds
from deltastream.predicate.columns import Path
from deltastream.predicate.expression import Operator
from deltastream.predicate.patterns import split_pattern

__all__ = ["Outcomes", "outcomes"]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """For each unit, whether the predicate may be true, false or null for a row of it."""

    true: Bools
    false: Bools
    null: Bools

    @property
    def none_pass(self) -> Bools:
        """The units without a row that passes, for sure."""
        return ~self.true

    @property
    def all_pass(self) -> Bools:
        """The units whose rows all pass, for sure."""
        return ~self.false & ~self.null

    def __invert__(self) -> Outcomes:
        return Outcomes(self.false, self.true, self.null)

    def __and__(self, other: Outcomes) -> Outcomes:
        return Outcomes(
            self.true & other.true,
            self.false | other.false,
            self.null & (other.true | other.null) | other.null & (self.true | self.null),
        )


def outcomes(predicate: Predicate, bounds: Mapping[Path, Bounds], num_units: int) -> Outcomes:
    """Return what a predicate may come to; a path without bounds may hold anything. Vectorised over the units."""
    match predicate:
        case All(operands):
            return reduce(
                Outcomes.__and__, (outcomes(part, bounds, num_units) for part in operands)
            )
        case Any(operands):
            parts = (~outcomes(part, bounds, num_units) for part in operands)
            return ~reduce(Outcomes.__and__, parts)
        case Complement(operand):
            return ~outcomes(operand, bounds, num_units)
        case IsTrueOf(operand):
            inner = outcomes(operand, bounds, num_units)
            return Outcomes(inner.true, inner.false | inner.null, _no(num_units))
        case Always(value):
            return Outcomes(*(np.full(num_units, value is truth) for truth in (True, False, None)))
        case Foreign():
            return _anything(num_units)
        case OfColumns(left, operator, right):
            if left not in bounds or right not in bounds:
                return _anything(num_units)
            return _of_columns(bounds[left], operator, bounds[right], predicate.type)
    known = bounds.get(predicate.path)
    if known is None:
        return _anything(num_units)
    match predicate:
        case OfValue(_, operator, value):
            return _of_value(known, operator, value)
        case Among(_, values, has_null):
            found = _among(known, values)
            if not has_null:
                return found
            return Outcomes(found.true, _no(num_units), found.null | found.false)
        case Decided(_, value):
            decided = known.may_be_value | known.may_be_nan
            sides = (decided, _no(num_units)) if value else (_no(num_units), decided)
            return Outcomes(*sides, known.may_be_null)
        case IsNullAt():
            return Outcomes(
                known.may_be_null, known.may_be_value | known.may_be_nan, _no(num_units)
            )
        case IsNaNAt():
            return Outcomes(known.may_be_nan, known.may_be_value, known.may_be_null)
        case Matches(_, pattern, ignore_case):
            return _matches(known, "%" if ignore_case else pattern, is_exact=not ignore_case)


def _no(num_units: int) -> Bools:
    return np.zeros(num_units, np.bool_)


def _anything(num_units: int) -> Outcomes:
    anything = np.ones(num_units, np.bool_)
    return Outcomes(anything, anything, anything)


def _may(result: pa.Array) -> Bools:
    """Return a comparison of bounds; one with an unknown bound may be true."""
    may: Bools = result.fill_null(True).to_numpy(zero_copy_only=False)
    return may


# For each operator whether a value in [lower, upper] may make ``value operator other`` true, for an other in
# [low, high]. For false there is the opposite operator.
_MAY_HOLD: dict[Operator, Callable[[pa.Array, pa.Array, pa.Scalar, pa.Scalar], Bools]] = {
    "<": lambda lower, upper, low, high: _may(pc.less(lower, high)),
    "<=": lambda lower, upper, low, high: _may(pc.less_equal(lower, high)),
    ">": lambda lower, upper, low, high: _may(pc.greater(upper, low)),
    ">=": lambda lower, upper, low, high: _may(pc.greater_equal(upper, low)),
    "=": lambda lower, upper, low, high: (
        _may(pc.less_equal(lower, high)) & _may(pc.greater_equal(upper, low))
    ),
    "!=": lambda lower, upper, low, high: _may(pc.less(lower, high)) | _may(pc.greater(upper, low)),
}
_OPPOSITE: dict[Operator, Operator] = {
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
    "=": "!=",
    "!=": "=",
}


def _of_value(known: Bounds, operator: Operator, value: pa.Scalar) -> Outcomes:
    sides = (known.lower, known.upper, value, value)
    true = known.may_be_value & _MAY_HOLD[operator](*sides)
    false = known.may_be_value & _MAY_HOLD[_OPPOSITE[operator]](*sides)
    # NaN differs from everything, and no other comparison with it holds.
    if operator == "!=":
        true = true | known.may_be_nan
    else:
        false = false | known.may_be_nan
    return Outcomes(true, false, known.may_be_null)


def _of_columns(left: Bounds, operator: Operator, right: Bounds, type_: pa.DataType) -> Outcomes:
    sides = tuple(side.cast(type_) for side in (left.lower, left.upper, right.lower, right.upper))
    values = left.may_be_value & right.may_be_value
    true = values & _MAY_HOLD[operator](*sides)
    false = values & _MAY_HOLD[_OPPOSITE[operator]](*sides)
    left_present, right_present = (side.may_be_value | side.may_be_nan for side in (left, right))
    with_nan = left.may_be_nan & right_present | right.may_be_nan & left_present
    if operator == "!=":
        true = true | with_nan
    else:
        false = false | with_nan
    return Outcomes(true, false, left.may_be_null | right.may_be_null)


def _among(known: Bounds, values: pa.Array) -> Outcomes:
    # The values are sorted: those in [lower, upper] are a range of them.
    first = _count(values, known.lower, pc.less, unknown=0)
    stop = _count(values, known.upper, pc.less_equal, unknown=len(values))
    is_found = stop > first
    is_one = pc.equal(known.lower, known.upper).fill_null(False).to_numpy(zero_copy_only=False)
    false = known.may_be_value & ~(is_one & is_found) | known.may_be_nan
    return Outcomes(known.may_be_value & is_found, false, known.may_be_null)


def _count(
    values: pa.Array,
    limits: pa.Array,
    precedes: Callable[[pa.Array, pa.Array], pa.Array],
    *,
    unknown: int,
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return for each limit how many of the sorted values precede it, by one binary search for all of them."""
    low, high = np.zeros(len(limits), np.int64), np.full(len(limits), len(values))
    while (is_open := low < high).any():
        middle = (low + high) // 2
        picked = values.take(pa.array(np.minimum(middle, len(values) - 1)))
        before = precedes(picked, limits).fill_null(False).to_numpy(zero_copy_only=False)
        low = np.where(is_open & before, middle + 1, low)
        high = np.where(is_open & ~before, middle, high)
    is_unknown = limits.is_null().to_numpy(zero_copy_only=False)
    return np.where(is_unknown, unknown, low)


def _matches(known: Bounds, pattern: str, *, is_exact: bool) -> Outcomes:
    plain, rest = split_pattern(pattern)
    # Text that begins with `plain` is not below it, and if above, then only by what follows.
    above = _may(
        pc.or_kleene(pc.less_equal(known.lower, plain), pc.starts_with(known.lower, plain))
    )
    below = _may(pc.greater_equal(known.upper, plain))
    true = known.may_be_value & above & below
    false = known.may_be_value
    if rest == "%" and is_exact:
        # What lies between two texts that begin with it begins with it.
        both = pc.and_(pc.starts_with(known.lower, plain), pc.starts_with(known.upper, plain))
        false = false & ~both.fill_null(False).to_numpy(zero_copy_only=False)
    return Outcomes(true, false, known.may_be_null)
