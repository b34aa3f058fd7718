"""Owns binding: a parsed filter and a table's schema give a predicate, or an error that names the value."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import OptionError
from deltastream.predicate import bound
from deltastream.predicate.columns import Path, resolve_column
from deltastream.predicate.evaluate import evaluate
from deltastream.predicate.expression import (
    MIRRORED,
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
    Operator,
    Or,
    Timestamp,
    Value,
)
from deltastream.predicate.places import Place, locate

__all__ = ["bind"]


def bind(expression: Expression, schema: pa.Schema) -> bound.Predicate:
    """Return the predicate that an expression is over the rows of a table.

    Raises:
        SchemaError: A column isn't there, or its name is ambiguous.
        OptionError: A value cannot be compared with the column's.
    """
    return _Binder(schema).bind(expression)


class _Binder:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def bind(self, node: Expression) -> bound.Predicate:
        match node:
            case And(operands):
                return bound.All(tuple(self.bind(operand) for operand in operands))
            case Or(operands):
                return bound.Any(tuple(self.bind(operand) for operand in operands))
            case Not(operand):
                return bound.Complement(self.bind(operand))
            case IsTrue(operand):
                return bound.IsTrueOf(self.bind(operand))
            case Constant(value):
                return bound.Always(value)
            case IsNull(column):
                return bound.IsNullAt(resolve_column(self._schema, column)[0])
            case IsNaN(column):
                return self._is_nan(column)
            case In(column, values):
                return self._in(column, values)
            case Like():
                return self._like(node)
            case Compare():
                return self._compare(node)
            case Opaque():
                return self._opaque(node)

    def _compare(self, node: Compare) -> bound.Predicate:
        match node.left, node.right:
            case Column() as column, Literal(value):
                return self._with_value(column, node.operator, value)
            case Literal(value), Column() as column:
                return self._with_value(column, MIRRORED[node.operator], value)
            case Column() as left, Column() as right:
                return self._with_column(left, node.operator, right)
            case Literal(first), Literal(second):
                return bound.Always(_constants(first, node.operator, second))
        raise AssertionError("operands are columns or literals")

    def _with_value(self, column: Column, sign: Operator, value: Value) -> bound.Predicate:
        path, type_ = self._resolve_plain(column)
        if value is None or pa.types.is_null(type_):
            return bound.Always(None)
        return _at_place(path, sign, _locate(column, type_, value))

    def _with_column(self, left: Column, sign: Operator, right: Column) -> bound.Predicate:
        (left_path, first), (right_path, second) = map(self._resolve_plain, (left, right))
        type_ = _common_type(first, second)
        if type_ is None:
            raise OptionError(
                f"filter: column {str(left)!r} is {first} and column {str(right)!r} is {second}: "
                "values of these types do not compare exactly"
            )
        return bound.OfColumns(left_path, sign, right_path, type_)

    def _in(self, column: Column, values: tuple[Value, ...]) -> bound.Predicate:
        path, type_ = self._resolve_plain(column)
        present = [value for value in values if value is not None]
        if pa.types.is_null(type_):
            return bound.Always(None)
        found = [_locate(column, type_, value).exact for value in present]
        values_in_type = _array([scalar for scalar in found if scalar is not None], type_)
        return bound.Among(path, values_in_type, has_null=len(present) < len(values))

    def _is_nan(self, column: Column) -> bound.Predicate:
        path, type_ = self._resolve_plain(column)
        # Other types have no NaN, and so no value that is one.
        return bound.IsNaNAt(path) if pa.types.is_floating(type_) else bound.Decided(path, False)

    def _like(self, node: Like) -> bound.Predicate:
        path, type_ = self._resolve_plain(node.column)
        if not (pa.types.is_string(type_) or pa.types.is_large_string(type_)):
            raise OptionError(
                f"filter: LIKE {node.pattern!r} needs text, column {str(node.column)!r} is {type_}"
            )
        try:
            node.pattern.encode()
        except UnicodeEncodeError as error:
            raise OptionError(f"filter: LIKE {node.pattern!r} is no text: {error}") from error
        return bound.Matches(path, node.pattern, node.ignore_case)

    def _opaque(self, node: Opaque) -> bound.Predicate:
        columns: dict[str, Path] = {}
        for column in node.columns:
            name = column.parts[0]
            columns[name] = resolve_column(self._schema, Column((name,), strict=True))[0]
        predicate = bound.Foreign(node.expression, tuple(columns.items()))
        empty = {path: pa.array([], self._schema.field(path[0]).type) for path in columns.values()}
        try:
            evaluate(predicate, empty, 0)
        except (pa.ArrowException, TypeError) as error:
            raise OptionError(
                f"filter {node.expression} is no condition on this table: {error}"
            ) from error
        return predicate

    def _resolve_plain(self, column: Column) -> tuple[Path, pa.DataType]:
        path, type_ = resolve_column(self._schema, column)
        if pa.types.is_nested(type_):
            raise OptionError(
                f"filter: column {str(column)!r} is {type_}: only its fields compare, and whether it is null"
            )
        return path, type_


def _locate(column: Column, type_: pa.DataType, value: Value) -> Place:
    try:
        return locate(value, type_)
    except ValueError as error:
        raise OptionError(
            f"filter: {_written(value)} does not compare with column {str(column)!r}, which is {type_}: {error}"
        ) from error


def _written(value: Value) -> str:
    if not isinstance(value, Timestamp):
        return repr(value)
    seconds, rest = divmod(value.nanoseconds, 1_000_000_000)
    return f"the timestamp {seconds}.{rest:09} s after 1970" + " UTC" * value.zoned


def _array(scalars: list[pa.Scalar], type_: pa.DataType) -> pa.Array:
    """Return scalars sorted and distinct."""
    values = pa.array(scalars, type_) if scalars else pa.array([], type_)
    if pa.types.is_floating(type_):
        # The two zeros are equal, and a set would hold them apart.
        zero = pa.scalar(0.0, type_)
        values = pc.if_else(pc.equal(values, zero), zero, values)
    values = values.unique()
    return values.take(pc.array_sort_indices(values))


def _at_place(path: Path, sign: Operator, place: Place) -> bound.Predicate:
    if place.exact is not None:
        return bound.OfValue(path, sign, place.exact)
    if sign in ("=", "!="):
        return bound.Decided(path, sign == "!=")
    if place.lower is None and place.upper is None:
        # As IEEE 754 has it: nothing is below, above or equal to NaN.
        return bound.Decided(path, False)
    # Between two neighbours: what is below the literal is not above the lower one.
    below = sign in ("<", "<=")
    neighbour = place.lower if below else place.upper
    if neighbour is None:
        return bound.Decided(path, False)
    return bound.OfValue(path, "<=" if below else ">=", neighbour)


def _common_type(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """Return a type that holds every value of both exactly; None where there is none."""
    if left.equals(right):
        return left
    kinds = pa.types
    if kinds.is_integer(left) and kinds.is_integer(right):
        return pa.int64()
    if kinds.is_floating(left) and kinds.is_floating(right):
        return pa.float64()
    for first, second in ((left, right), (right, left)):
        if kinds.is_integer(first) and kinds.is_floating(second) and first.bit_width <= 32:
            return pa.float64()
        if kinds.is_decimal(first) and (kinds.is_decimal(second) or kinds.is_integer(second)):
            scale, digits = (
                (second.scale, second.precision - second.scale)
                if kinds.is_decimal(second)
                else (0, 19)
            )
            scale = max(first.scale, scale)
            return pa.decimal256(max(first.precision - first.scale, digits) + scale, scale)
    return None


_CONSTANTS: dict[Operator, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _constants(left: Value, sign: Operator, right: Value) -> bool | None:
    if left is None or right is None:
        return None
    numbers = (int, float, Decimal)
    are_numbers = isinstance(left, numbers) and isinstance(right, numbers)
    if not are_numbers and type(left) is not type(right):
        raise OptionError(f"filter: {_written(left)} does not compare with {_written(right)}")
    if isinstance(left, Timestamp) and isinstance(right, Timestamp):
        left, right = left.nanoseconds, right.nanoseconds
    return bool(_CONSTANTS[sign](left, right))
