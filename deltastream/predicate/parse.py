"""Owns what a filter may be given as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow.compute as pc

from deltastream.errors import OptionError
from deltastream.predicate.arrow import parse_arrow
from deltastream.predicate.dnf import parse_dnf
from deltastream.predicate.expression import And, Expression, IsTrue, Not, Or

__all__ = ["Filter", "parse_filter"]

Filter: TypeAlias = (
    str | Sequence[tuple[str, str, Any]] | Sequence[Sequence[tuple[str, str, Any]]] | pc.Expression
)
"""SQL as it stands after WHERE, (column, operator, value) tuples or lists of such lists, or a pyarrow expression."""


_MAX_DEPTH = 100
"""What works on a filter calls itself once or more for each level, and Python allows a thousand calls."""


def parse_filter(condition: Filter) -> Expression:
    """Parse a filter.

    Raises:
        OptionError: It does not parse, has a part that is not supported, or is nested too deeply.
    """
    try:
        parsed = _parse(condition)
    except RecursionError as error:
        raise _too_deep() from error
    level = [parsed]
    for _ in range(_MAX_DEPTH):
        level = [operand for one in level for operand in _operands(one)]
        if not level:
            return parsed
    raise _too_deep()


def _too_deep() -> OptionError:
    return OptionError(
        f"filter: it is nested too deeply, AND, OR and NOT may be {_MAX_DEPTH} levels; "
        "a value that may be one of many is IN, or isin()"
    )


def _operands(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case And(operands) | Or(operands):
            return operands
        case Not(operand) | IsTrue(operand):
            return (operand,)
        case _:
            return ()


def _parse(condition: Filter) -> Expression:
    if isinstance(condition, str):
        # sqlglot takes a tenth of a second to import.
        from deltastream.predicate.sql import parse_sql

        return parse_sql(condition)
    if isinstance(condition, pc.Expression):
        return parse_arrow(condition)
    if isinstance(condition, Sequence):
        return parse_dnf(condition)
    raise OptionError(
        "filter takes SQL, a list of (column, operator, value) tuples or a pyarrow expression, "
        f"got {type(condition).__name__}"
    )
