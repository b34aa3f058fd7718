"""Owns the bound form of a filter: columns are paths into a schema, values are exactly of the columns' types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.predicate.columns import Path
from deltastream.predicate.expression import Operator

__all__ = [
    "All",
    "Always",
    "Among",
    "Any",
    "Complement",
    "Decided",
    "Foreign",
    "IsNaNAt",
    "IsNullAt",
    "IsTrueOf",
    "Matches",
    "OfColumns",
    "OfValue",
    "Predicate",
    "paths_of",
]


@dataclass(frozen=True, slots=True)
class OfValue:
    """``path operator value``; the value is no null and no NaN, and of the column's type."""

    path: Path
    operator: Operator
    value: pa.Scalar


@dataclass(frozen=True, slots=True)
class OfColumns:
    """``left operator right``, both cast to `type`, which holds every value of either."""

    left: Path
    operator: Operator
    right: Path
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class Decided:
    """`value` wherever the column has one, null where it is null."""

    path: Path
    value: bool


@dataclass(frozen=True, slots=True)
class Among:
    """Whether the column is one of `values`: sorted, distinct, without null or NaN, of the column's type."""

    path: Path
    values: pa.Array
    has_null: bool
    """Whether one of SQL's values was null: then what is not found is null, not false."""


@dataclass(frozen=True, slots=True)
class IsNullAt:
    """Whether the column is null."""

    path: Path


@dataclass(frozen=True, slots=True)
class IsNaNAt:
    """Whether the float column is NaN; null where it is null."""

    path: Path


@dataclass(frozen=True, slots=True)
class Matches:
    """Whether the text matches a LIKE pattern."""

    path: Path
    pattern: str
    ignore_case: bool


@dataclass(frozen=True, slots=True)
class Always:
    """The same for every row."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class Complement:
    """Kleene's not."""

    operand: Predicate


@dataclass(frozen=True, slots=True)
class All:
    """Kleene's and."""

    operands: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Kleene's or."""

    operands: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class IsTrueOf:
    """Whether the operand is true; never null."""

    operand: Predicate


@dataclass(frozen=True, slots=True)
class Foreign:
    """A pyarrow expression that Arrow evaluates."""

    expression: pc.Expression
    columns: tuple[tuple[str, Path], ...]
    """The name of each top-level column in the expression, and where it is."""


Predicate = (
    OfValue
    | OfColumns
    | Decided
    | Among
    | IsNullAt
    | IsNaNAt
    | Matches
    | Always
    | Complement
    | All
    | Any
    | IsTrueOf
    | Foreign
)
"""A filter on the rows of one table. Pickles; only rows for which it is true are kept."""


def paths_of(predicate: Predicate) -> tuple[Path, ...]:
    """Return the columns that a predicate needs, each once, in the order in which they occur."""
    return tuple(dict.fromkeys(_paths(predicate)))


def _paths(predicate: Predicate) -> Iterator[Path]:
    match predicate:
        case All(operands) | Any(operands):
            for operand in operands:
                yield from _paths(operand)
        case Complement(operand) | IsTrueOf(operand):
            yield from _paths(operand)
        case OfColumns(left, _, right):
            yield left
            yield right
        case Foreign(_, columns):
            yield from (path for _, path in columns)
        case Always():
            pass
        case _:
            yield predicate.path
