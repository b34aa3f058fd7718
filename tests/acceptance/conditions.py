"""Random conditions over the rows of a table, from values that it has: as SQL, as tuples, and for pyarrow."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tests.support.predicates import sql_literal

__all__ = ["Condition", "conditions"]

Path = tuple[str, ...]

_COMPARE: dict[str, Callable[[Any, Any], pc.Expression]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, written in every form that can say it."""

    sql: str
    expression: pc.Expression
    tuples: list[tuple[str, str, Any]] | None
    """None: they cannot say it."""

    def forms(self) -> Iterator[Any]:
        yield self.sql
        yield self.expression
        if self.tuples is not None:
            yield self.tuples


def conditions(rows: pa.Table, random: Random, num: int) -> Iterator[Condition]:
    """Yield `num` conditions; the same for the same rows and the same seed."""
    columns = list(_columns(list(rows.schema), ()))
    for _ in range(num):
        yield _condition(rows, columns, random, depth=2)


def _columns(fields: list[pa.Field], above: Path) -> Iterator[tuple[Path, pa.DataType]]:
    for field in fields:
        yield (*above, field.name), field.type
        if pt.is_struct(field.type):
            yield from _columns(list(field.type), (*above, field.name))


def _condition(
    rows: pa.Table, columns: list[tuple[Path, pa.DataType]], random: Random, depth: int
) -> Condition:
    kind = random.choice(["leaf", "leaf", "and", "or", "not"]) if depth else "leaf"
    if kind == "leaf":
        return _leaf(rows, *random.choice(columns), random)
    left = _condition(rows, columns, random, depth - 1)
    if kind == "not":
        return Condition(f"NOT ({left.sql})", ~left.expression, None)
    right = _condition(rows, columns, random, depth - 1)
    if kind == "or":
        return Condition(f"({left.sql}) OR ({right.sql})", left.expression | right.expression, None)
    both = None if left.tuples is None or right.tuples is None else left.tuples + right.tuples
    return Condition(f"({left.sql}) AND ({right.sql})", left.expression & right.expression, both)


def _leaf(rows: pa.Table, path: Path, type_: pa.DataType, random: Random) -> Condition:
    name = ".".join("`" + part.replace("`", "``") + "`" for part in path)
    field = pc.field(path if len(path) > 1 else path[0])
    values = _values(rows, path, type_)
    kind = random.choice(["compare", "compare", "compare", "in", "null"]) if values else "null"
    if kind == "null":
        if random.random() < 0.5:
            return Condition(f"{name} IS NULL", field.is_null(), None)
        return Condition(f"{name} IS NOT NULL", field.is_valid(), None)
    if kind == "in":
        # For pyarrow's isin NaN is in a set of NaN, for SQL it is the equal of nothing.
        values = [value for value in values if value == value] or [0.5]
        some = random.sample(values, min(len(values), random.randint(1, 4)))
        written = ", ".join(map(sql_literal, some))
        isin = field.isin(pa.array(some, type_))
        return Condition(
            f"{name} IN ({written})", _null_for_null(field, isin), [(name, "in", some)]
        )
    sign, value = random.choice(list(_COMPARE)), random.choice(values)
    compared = _COMPARE[sign](field, pc.scalar(pa.scalar(value, type_)))
    return Condition(f"{name} {sign} {sql_literal(value)}", compared, [(name, sign, value)])


def _null_for_null(field: pc.Expression, isin: pc.Expression) -> pc.Expression:
    # For Arrow null is not in a set that lacks it; for SQL it is unknown, which NOT leaves so.
    return pc.if_else(field.is_null(), pc.scalar(pa.scalar(None, pa.bool_())), isin)


def _values(rows: pa.Table, path: Path, type_: pa.DataType) -> list[Any]:
    """Return some values of a column as Python knows them; none where conditions have no literal for them."""
    is_comparable = (
        pt.is_primitive(type_) or pt.is_decimal(type_) or pt.is_string(type_) or pt.is_binary(type_)
    )
    if not is_comparable:
        return []
    column = rows.column(path[0])
    for name in path[1:]:
        column = pc.struct_field(column, name)
    found = []
    for scalar in pc.unique(column.drop_null())[:50]:
        try:
            found.append(scalar.as_py())
        except (ValueError, OverflowError):
            pass  # a year that Python has not
    return found
