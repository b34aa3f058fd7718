"""Owns filters as SQL: sqlglot parses Spark's dialect, and what has a meaning here is taken over."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError

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
    IsTrue,
    Like,
    Literal,
    Not,
    Operator,
    Or,
    Value,
)
from deltastream.predicate.moments import parse_moment
from deltastream.predicate.numeric_casts import cast_number
from deltastream.predicate.patterns import exact_pattern, with_backslash

__all__ = ["parse_sql"]


class _Dialect(Spark):
    class Tokenizer(Spark.Tokenizer):
        # 'it''s' is one text, as in Spark 4 and standard SQL; before, Spark joined two.
        STRING_ESCAPES = ["'", '"', "\\"]  # noqa: RUF012


class _UnsupportedError(Exception):
    """A part of the text that has no meaning here."""

    def __init__(self, node: exp.Expr, why: str) -> None:
        super().__init__(f"{node.sql(dialect=_Dialect)!r} {why}")


_OPERATORS: dict[type[exp.Expr], Operator] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def parse_sql(text: str) -> Expression:
    """Parse a condition as it stands after WHERE.

    Raises:
        OptionError: It does not parse, or it has a part that is not supported.
    """
    try:
        tree = exp.condition(text, dialect=_Dialect)
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        near = details[0].get("highlight")
        # Of sqlglot's classes the last part is a word of SQL: "Add".
        why = re.sub(
            r"<class '(?:\w+\.)*(\w+)'>", r"\1", details[0].get("description") or str(error)
        )
        where = f" at {near!r}" if near else ""
        raise OptionError(f"filter {text!r} does not parse{where}: {why}") from error
    try:
        return _condition(tree)
    except _UnsupportedError as error:
        raise OptionError(f"filter {text!r}: {error}") from error


def _condition(node: exp.Expr) -> Expression:
    if (operator := _OPERATORS.get(type(node))) is not None:
        return Compare(_operand(node.this), operator, _operand(node.expression))
    if isinstance(node, (exp.Column, exp.Dot)):
        return Compare(_column(node), "=", Literal(True))
    if (make := _CONDITIONS.get(type(node))) is not None:
        return make(node)
    raise _UnsupportedError(node, "is no condition that a filter can have")


def _and_or(node: exp.Expr) -> Expression:
    kind = And if isinstance(node, exp.And) else Or
    # A chain of a thousand terms leans to the left: flat, it needs no depth.
    return kind(tuple(_condition(part) for part in node.flatten()))


def _in(node: exp.Expr) -> Expression:
    if node.args.get("query") or node.args.get("unnest") or node.args.get("field"):
        raise _UnsupportedError(node, "is IN without a list of values")
    values = tuple(_value(part) for part in node.expressions)
    return In(_column(node.this), values)


def _is(node: exp.Expr) -> Expression:
    right = node.expression
    if isinstance(right, exp.Null):
        if isinstance(node.this.unnest(), (exp.Column, exp.Dot)):
            return IsNull(_column(node.this))
        known = _condition(node.this)
        return Not(Or((IsTrue(known), IsTrue(Not(known)))))
    if isinstance(right, exp.Boolean):
        condition = _condition(node.this)
        return IsTrue(condition if right.this else Not(condition))
    raise _UnsupportedError(node, "is IS without NULL, TRUE or FALSE")


def _same(node: exp.Expr) -> Expression:
    left, right = _operand(node.this), _operand(node.expression)
    return null_safe_equal(left, right)


def null_safe_equal(left: Column | Literal, right: Column | Literal) -> Expression:
    """Return ``left <=> right``: true for two nulls, false for one."""
    null_left, null_right = (
        IsNull(side) if isinstance(side, Column) else Constant(side.value is None)
        for side in (left, right)
    )
    return Or((And((null_left, null_right)), IsTrue(Compare(left, "=", right))))


def _between(node: exp.Expr) -> Expression:
    if node.args.get("symmetric"):
        raise _UnsupportedError(node, "is BETWEEN SYMMETRIC")
    value = _operand(node.this)
    low, high = _operand(node.args["low"]), _operand(node.args["high"])
    return And((Compare(value, ">=", low), Compare(value, "<=", high)))


def _like(node: exp.Expr, escape: str = "\\") -> Expression:
    pattern = with_backslash(_text(node.expression), escape)
    like = Like(_column(node.this), pattern, ignore_case=isinstance(node, exp.ILike))
    return Not(like) if node.args.get("negate") else like


def _escape(node: exp.Expr) -> Expression:
    escape = _text(node.expression)
    if len(escape) != 1 or not isinstance(node.this, (exp.Like, exp.ILike)):
        raise _UnsupportedError(node, "needs LIKE and one character after ESCAPE")
    return _like(node.this, escape)


def _substring(before: str, after: str) -> Callable[[exp.Expr], Expression]:
    def make(node: exp.Expr) -> Expression:
        return Like(_column(node.this), before + exact_pattern(_text(node.expression)) + after)

    return make


def _function(node: exp.Expr) -> Expression:
    name = node.name.lower()
    if name not in ("isnull", "isnotnull") or len(node.expressions) != 1:
        raise _UnsupportedError(node, "calls a function that a filter cannot have")
    is_null = IsNull(_column(node.expressions[0]))
    return is_null if name == "isnull" else Not(is_null)


_CONDITIONS: dict[type[exp.Expr], Callable[[Any], Expression]] = {
    exp.Paren: lambda node: _condition(node.this),
    exp.Not: lambda node: Not(_condition(node.this)),
    exp.And: _and_or,
    exp.Or: _and_or,
    exp.In: _in,
    exp.Is: _is,
    exp.NullSafeEQ: _same,
    exp.NullSafeNEQ: lambda node: Not(_same(node)),
    exp.Between: _between,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Escape: _escape,
    exp.StartsWith: _substring("", "%"),
    exp.EndsWith: _substring("%", ""),
    exp.Contains: _substring("%", "%"),
    exp.IsNan: lambda node: IsNaN(_column(node.this)),
    exp.Boolean: lambda node: Constant(bool(node.this)),
    exp.Null: lambda node: Constant(None),
    exp.Anonymous: _function,
}


def _operand(node: exp.Expr) -> Column | Literal:
    if isinstance(node.unnest(), (exp.Column, exp.Dot)):
        return _column(node)
    return Literal(_value(node))


def _column(node: exp.Expr) -> Column:
    node = node.unnest()
    parts: list[exp.Expr] = []
    while isinstance(node, exp.Dot):
        parts.insert(0, node.expression)
        node = node.this
    if not isinstance(node, exp.Column):
        raise _UnsupportedError(node, "is no column")
    parts = [*node.parts, *parts]
    if not all(isinstance(part, exp.Identifier) for part in parts):
        raise _UnsupportedError(node, "is no column")
    return Column(
        tuple(part.name for part in parts), strict=any(part.args.get("quoted") for part in parts)
    )


def _text(node: exp.Expr) -> str:
    value = _value(node)
    if not isinstance(value, str):
        raise _UnsupportedError(node, "is no text")
    return value


def _value(node: exp.Expr) -> Value:
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else _number(node)
    if isinstance(node, (exp.Null, exp.Boolean)):
        return None if isinstance(node, exp.Null) else bool(node.this)
    if isinstance(node, exp.RawString):
        return node.name
    if isinstance(node, exp.HexString):
        return bytes.fromhex(node.name.rjust(len(node.name) + len(node.name) % 2, "0"))
    if isinstance(node, exp.Neg):
        value = _value(node.this)
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            # Python's minus would round a decimal to 28 digits.
            return value.copy_negate() if isinstance(value, Decimal) else -value
    if isinstance(node, (exp.Cast, exp.TryCast)):
        return _typed(node)
    raise _UnsupportedError(
        node, "is no constant; one side of a comparison may be one, the other is a column"
    )


def _number(node: exp.Expr) -> Value:
    text = node.name
    try:
        if text.isdecimal():
            return int(text)
        # As in Spark: an exponent makes a double, a point alone a decimal.
        return float(text) if "e" in text.lower() else Decimal(text)
    except (ValueError, ArithmeticError) as error:
        raise OptionError(f"filter: {text[:40]} is no number: {error}") from error


def _typed(node: exp.Expr) -> Value:
    """Return a typed literal: DATE '...', CAST('...' AS TIMESTAMP), 5L, 1.5D."""
    value, to = _value(node.this), node.args["to"]
    if value is None:
        return None
    try:
        if to.this in exp.DataType.TEMPORAL_TYPES:
            moment = parse_moment(value) if isinstance(value, str) else None
            if moment is not None and (
                to.this != exp.DType.DATE or not moment.nanoseconds % 86_400_000_000_000
            ):
                return moment
        elif isinstance(value, (str, int, float, Decimal)) and not isinstance(value, bool):
            if to.this in exp.DataType.TEXT_TYPES:
                if isinstance(value, str):
                    return value
            else:
                return cast_number(value, to)
    except (ArithmeticError, ValueError):
        pass
    raise _UnsupportedError(node, "is no constant that a filter can have")
