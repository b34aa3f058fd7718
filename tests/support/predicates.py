"""Random filters over random columns, with an independent row-by-row reading of both."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

Row = dict[str, Any]
Truth = Callable[[Row], bool | None]

_DAY = date(2020, 1, 1)
_NOON = datetime(2020, 1, 1, 12)


def _with_extremes(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "i": (pa.int64(), _with_extremes(-(2**63), 2**63 - 1, 2**53 + 1, 0, 1, 2, 3, 5, -1)),
    "b8": (pa.int8(), _with_extremes(-128, 127, 0, 1, 5)),
    "f": (
        pa.float64(),
        _with_extremes(math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 5.5, 0.1, 2.0**53, -3.0),
    ),
    "s": (pa.string(), _with_extremes("", "a", "ab", "abc", "b", "é", "\U0010ffff", "a%", "z")),
    "d": (pa.date32(), st.integers(-2, 2).map(lambda n: _DAY + timedelta(days=n))),
    "t": (
        pa.timestamp("us", "UTC"),
        st.integers(-2, 2).map(lambda n: (_NOON + timedelta(hours=12 * n)).replace(tzinfo=UTC)),
    ),
    "n": (pa.timestamp("us"), st.integers(-2, 2).map(lambda n: _NOON + timedelta(hours=12 * n))),
    "c": (pa.decimal128(9, 2), _with_extremes(*map(Decimal, ("-1.50", "0.10", "0", "9999999.99")))),
    "x": (pa.binary(), _with_extremes(b"", b"\x00", b"\xff", b"ab")),
    "o": (pa.bool_(), st.booleans()),
}
SCHEMA = pa.schema([(name, type_) for name, (type_, _) in TYPES.items()])


def rows(min_size: int = 0, max_size: int = 8) -> st.SearchStrategy[list[Row]]:
    """Rows of `SCHEMA`, with nulls, NaN and the ends of the types."""
    columns = {name: st.none() | values for name, (_, values) in TYPES.items()}
    return st.lists(st.fixed_dictionaries(columns), min_size=min_size, max_size=max_size)


def _literals(name: str) -> st.SearchStrategy[Any]:
    """Values to compare a column with, some of which it cannot have."""
    _, own = TYPES[name]
    if name in ("i", "b8"):
        return own | _with_extremes(2.5, 300, -(10**30), 10**30, Decimal("1.5"), math.inf, -5.5)
    if name == "f":
        return own | _with_extremes(0, 1, 2**53 + 1, 10**400, -(10**400))
    if name == "c":
        return own | _with_extremes(0, Decimal("0.105"), 10**20, Decimal("-1.501"))
    if name == "d":
        return own | st.just(datetime(2020, 1, 1, 6))
    return own


def _key(value: Any) -> Any:
    """Return a value such that Python orders it with any that it is compared with, exactly."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return value.encode() if isinstance(value, str) else value


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def sql_literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value)
        case bytes():
            return f"X'{value.hex()}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case date():
            return f"DATE '{value}'"
        case float() if not math.isfinite(value):
            return f"double('{value}')"
        case float():
            return f"{value!r}D"
        case _:
            return str(value)


@st.composite
def _terms(draw: st.DrawFn) -> tuple[str, Truth]:
    name = draw(st.sampled_from(sorted(TYPES)))
    kind = draw(st.sampled_from(["compare", "compare", "compare", "in", "null", "like", "between"]))
    if kind == "null":
        negated = draw(st.booleans())
        sql = f"{name} IS {'NOT ' * negated}NULL"
        return sql, lambda row: (row[name] is None) != negated
    if kind == "like" and name == "s":
        start = draw(st.sampled_from(["", "a", "ab", "é", "a\\%"]))
        plain = start.replace("\\", "")
        return (
            f"s LIKE '{start}%'",
            lambda row: None if row["s"] is None else row["s"].startswith(plain),
        )
    if kind == "in":
        values = draw(st.lists(st.none() | _literals(name), min_size=1, max_size=4))
        written = ", ".join(map(sql_literal, values))
        return f"{name} IN ({written})", lambda row: _or(
            [_compared(row[name], "=", value) for value in values]
        )
    if kind == "between":
        low, high = draw(_literals(name)), draw(_literals(name))
        return f"{name} BETWEEN {sql_literal(low)} AND {sql_literal(high)}", lambda row: _and(
            [_compared(row[name], ">=", low), _compared(row[name], "<=", high)]
        )
    operator = draw(st.sampled_from(sorted(_COMPARE)))
    value = draw(st.none() | _literals(name))
    return f"{name} {operator} {sql_literal(value)}", lambda row: _compared(
        row[name], operator, value
    )


def _compared(left: Any, operator: str, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    return _COMPARE[operator](_key(left), _key(right))


def _and(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _or(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False


def _combined(
    inner: st.SearchStrategy[tuple[str, Truth]],
) -> st.SearchStrategy[tuple[str, Truth]]:
    def negated(term: tuple[str, Truth]) -> tuple[str, Truth]:
        sql, truth = term

        def inverse(row: Row) -> bool | None:
            value = truth(row)
            return None if value is None else not value

        return f"NOT ({sql})", inverse

    def joined(
        word: str, rule: Callable[[list[bool | None]], bool | None]
    ) -> Callable[[list[tuple[str, Truth]]], tuple[str, Truth]]:
        return lambda terms: (
            f" {word} ".join(f"({sql})" for sql, _ in terms),
            lambda row: rule([truth(row) for _, truth in terms]),
        )

    several = st.lists(inner, min_size=2, max_size=3)
    return inner.map(negated) | several.map(joined("AND", _and)) | several.map(joined("OR", _or))


def filters() -> st.SearchStrategy[tuple[str, Truth]]:
    """SQL filters over `SCHEMA`, each with what it is for a row: True, False or None."""
    return st.recursive(_terms(), _combined, max_leaves=5)
