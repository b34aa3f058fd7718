"""Owns how a parsed filter is shown: as SQL, the same for all ways to write it."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from math import isfinite

from deltastream.predicate.expression import (
    And,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNaN,
    IsNull,
    IsTrue,
    Like,
    Literal,
    Not,
    Opaque,
    Or,
    Timestamp,
    Value,
)
from deltastream.predicate.moments import moment_text

__all__ = ["text_of"]


def text_of(expression: Expression) -> str:
    """Return the SQL that means `expression`; of what only Arrow evaluates, how Arrow shows it."""
    match expression:
        case Compare(left, operator, right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case In(column, values):
            return f"{column} IN ({', '.join(map(_value, values))})"
        case IsNull(column):
            return f"{column} IS NULL"
        case IsNaN(column):
            return f"isnan({column})"
        case Like(column, pattern, ignore_case):
            return f"{column} {'ILIKE' if ignore_case else 'LIKE'} {_value(pattern)}"
        case Constant(value):
            return _value(value)
        case Not(operand):
            return f"NOT ({text_of(operand)})"
        case And(operands):
            return " AND ".join(map(_grouped, operands))
        case Or(operands):
            return " OR ".join(map(_grouped, operands))
        case IsTrue(operand):
            return f"({text_of(operand)}) IS TRUE"
        case Opaque(inner):
            # Arrow shows neither the types of literals nor the middle of a long list.
            digest = blake2b(inner.__reduce__()[1][0], digest_size=8).hexdigest()
            return f"{inner} #{digest}"


def _grouped(operand: Expression) -> str:
    text = text_of(operand)
    return f"({text})" if isinstance(operand, And | Or | Opaque) else text


def _operand(side: Column | Literal) -> str:
    return _value(side.value) if isinstance(side, Literal) else str(side)


def _value(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | Decimal():
            return str(value).upper()
        case float() if not isfinite(value):
            return f"CAST('{value}' AS DOUBLE)"
        case float():
            # Else it would look like the decimal, which compares otherwise.
            return f"{value!r}D"
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case bytes():
            return f"X'{value.hex()}'"
        case Timestamp():
            return moment_text(value)
        case _:
            return str(value)
