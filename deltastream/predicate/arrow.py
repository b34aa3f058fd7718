"""Owns filters as pyarrow expressions: taken over where their parts are ours, else left to Arrow whole."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import OptionError
from deltastream.predicate.expression import (
    And,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNaN,
    IsNull,
    Like,
    Literal,
    Not,
    Opaque,
    Operator,
    Or,
)
from deltastream.predicate.literals import literal_of
from deltastream.predicate.patterns import exact_pattern
from deltastream.predicate.serialized import Call, FieldReference, Node, open_expression

__all__ = ["parse_arrow"]

_OPERATORS: dict[str, Operator] = {
    "equal": "=",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


class _NotOursError(Exception):
    """A part of the expression that has no form here."""


def parse_arrow(expression: pc.Expression) -> Expression:
    """Parse a pyarrow expression; one that has parts beyond ours becomes an `Opaque`.

    Raises:
        OptionError: It refers to columns by position, or Arrow does not tell which.
    """
    try:
        node = open_expression(expression)
    except ValueError as error:
        raise OptionError(
            f"filter {expression}: Arrow does not tell which columns it has ({error}): refer to them by name"
        ) from error
    try:
        return _condition(node)
    except (_NotOursError, OptionError):
        columns = dict.fromkeys(_fields(node))
        # As Arrow means it: a name is a whole column's, whatever dots it has.
        return Opaque(expression, tuple(Column(path, strict=True) for path in columns))


def _fields(node: Node) -> list[tuple[str, ...]]:
    found = []
    todo = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, FieldReference):
            found.append(one.path)
        elif isinstance(one, Call):
            todo += reversed(one.arguments)
    return found


def _condition(node: Node) -> Expression:
    if isinstance(node, FieldReference):
        return Compare(_column(node), "=", Literal(True))
    if isinstance(node, pa.Scalar):
        if node.is_valid and not pa.types.is_boolean(node.type):
            raise _NotOursError
        return Constant(node.as_py())
    if node.function in _OPERATORS and len(node.arguments) == 2:
        left, right = node.arguments
        return Compare(_operand(left), _OPERATORS[node.function], _operand(right))
    if (make := _CALLS.get(node.function)) is None:
        raise _NotOursError
    return make(node)


def _column(node: Node) -> Column:
    if not isinstance(node, FieldReference):
        raise _NotOursError
    return Column(node.path, strict=True)


def _operand(node: Node) -> Column | Literal:
    return Literal(literal_of(node)) if isinstance(node, pa.Scalar) else _column(node)


def _options(node: Call) -> dict[str, object]:
    options: dict[str, object] = {} if node.options is None else node.options.as_py()
    return options


def _is_null(node: Call) -> Expression:
    column = _column(node.arguments[0])
    if not _options(node).get("nan_is_null"):
        return IsNull(column)
    return Or((IsNull(column), IsNaN(column)))


def _is_in(node: Call) -> Expression:
    """Return pyarrow's ``isin``: a null is matched, skipped or null as the options say, and NaN equals NaN."""
    column = _column(node.arguments[0])
    if node.options is None or "value_set" not in node.options:
        raise _NotOursError
    values = [literal_of(value) for value in node.options["value_set"].values]
    present = [value for value in values if value is not None]
    numbers = tuple(v for v in present if not (isinstance(v, float) and isnan(v)))
    found: Expression = In(column, numbers)
    if len(numbers) < len(present):
        found = Or((found, IsNaN(column)))
    match node.options["null_matching_behavior"].as_py():
        case 0 if len(present) < len(values):
            return Or((IsNull(column), found))
        case 0 | 1:
            return And((Not(IsNull(column)), found))
        case _:
            raise _NotOursError


def _and_or(kind: type[And | Or]) -> Callable[[Call], Expression]:
    def make(node: Call) -> Expression:
        parts = []
        todo = [*reversed(node.arguments)]
        while todo:
            one = todo.pop()
            if isinstance(one, Call) and one.function == node.function:
                # A chain of a thousand terms leans to the left: flat, it needs no depth.
                todo += reversed(one.arguments)
            else:
                parts.append(_condition(one))
        return kind(tuple(parts))

    return make


def _substring(before: str, after: str, *, exact: bool = True) -> Callable[[Call], Expression]:
    def make(node: Call) -> Expression:
        options = _options(node)
        pattern = options.get("pattern")
        if isinstance(pattern, bytes):
            pattern = pattern.decode()
        if not isinstance(pattern, str):
            raise _NotOursError
        plain = exact_pattern(pattern) if exact else pattern
        column = _column(node.arguments[0])
        return Like(column, before + plain + after, ignore_case=bool(options.get("ignore_case")))

    return make


_CALLS: dict[str, Callable[[Call], Expression]] = {
    "and_kleene": _and_or(And),
    "or_kleene": _and_or(Or),
    "invert": lambda node: Not(_condition(node.arguments[0])),
    "is_null": _is_null,
    "is_valid": lambda node: Not(IsNull(_column(node.arguments[0]))),
    "is_nan": lambda node: IsNaN(_column(node.arguments[0])),
    "is_in": _is_in,
    "starts_with": _substring("", "%"),
    "ends_with": _substring("%", ""),
    "match_substring": _substring("%", "%"),
    "match_like": _substring("", "", exact=False),
}
