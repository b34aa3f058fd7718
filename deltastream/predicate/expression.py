"""Owns the parsed form of a filter: what was written, before any table is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal as OneOf

import pyarrow.compute as pc

__all__ = [
    "MIRRORED",
    "And",
    "Column",
    "Compare",
    "Constant",
    "Expression",
    "In",
    "IsNaN",
    "IsNull",
    "IsTrue",
    "Like",
    "Literal",
    "Not",
    "Opaque",
    "Operator",
    "Or",
    "Timestamp",
    "Value",
    "columns_of",
]

Operator = OneOf["=", "!=", "<", "<=", ">", ">="]

MIRRORED: dict[Operator, Operator] = {
    "=": "=",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
"""The operator that says the same with its sides exchanged."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A moment as a literal names it; any year."""

    nanoseconds: int
    """Since 1970-01-01 00:00, in UTC or, where `zoned` is False, on whatever clock the column has."""
    zoned: bool


Value = bool | int | float | Decimal | str | bytes | Timestamp | None
"""A literal; a date is the midnight that it begins with. None is null."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant operand."""

    value: Value


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it was written."""

    parts: tuple[str, ...]
    """The names between the dots."""
    strict: bool
    """Whether a dot always means a field of a struct; else a column whose own name has the dots comes first."""

    def __str__(self) -> str:
        if not self.strict:
            return ".".join(self.parts)
        return ".".join("`" + part.replace("`", "``") + "`" for part in self.parts)


@dataclass(frozen=True, slots=True)
class Compare:
    """``left operator right``: null where either side is."""

    left: Column | Literal
    operator: Operator
    right: Column | Literal


@dataclass(frozen=True, slots=True)
class In:
    """SQL's IN: null where the column is, and where no value equals it and one of them is null."""

    column: Column
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether the column is null; never null itself."""

    column: Column


@dataclass(frozen=True, slots=True)
class IsNaN:
    """Whether the column is NaN; null where it is null."""

    column: Column


@dataclass(frozen=True, slots=True)
class Like:
    """Whether the whole text matches: % is any text, _ any character, a backslash makes either plain."""

    column: Column
    pattern: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for every row."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class Not:
    """Kleene's not: null stays null."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    """Kleene's and: false if any operand is, else null if any is."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Kleene's or: true if any operand is, else null if any is."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class IsTrue:
    """Whether the operand is true; never null itself."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Opaque:
    """A pyarrow expression beyond this form: Arrow evaluates it, and nothing is pruned by it."""

    expression: pc.Expression
    columns: tuple[Column, ...]


Expression = Compare | In | IsNull | IsNaN | Like | Constant | Not | And | Or | IsTrue | Opaque


def columns_of(expression: Expression) -> tuple[Column, ...]:
    """Return the columns that an expression names, each once, in the order in which they occur."""
    return tuple(dict.fromkeys(_columns(expression)))


def _columns(expression: Expression) -> Iterator[Column]:
    match expression:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _columns(operand)
        case Not(operand) | IsTrue(operand):
            yield from _columns(operand)
        case Compare(left, _, right):
            yield from (side for side in (left, right) if isinstance(side, Column))
        case Opaque(_, columns):
            yield from columns
        case Constant():
            pass
        case _:
            yield expression.column
