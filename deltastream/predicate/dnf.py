"""Owns filters as lists of tuples, as pyarrow, deltalake and deltatorch write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from deltastream.errors import OptionError
from deltastream.predicate.columns import parse_column
from deltastream.predicate.expression import (
    And,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNull,
    Like,
    Literal,
    Not,
    Operator,
    Or,
)
from deltastream.predicate.literals import literal_of

__all__ = ["parse_dnf", "parse_term"]

_COMPARISONS: dict[str, Operator] = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}


def parse_dnf(terms: Iterable[Any]) -> Expression:
    """Parse ``[(column, operator, value), ...]``, all of which hold, or a list of such lists, one of which holds.

    As in SQL a comparison with None is null and keeps no row, and ``not in`` drops nulls; ``("a", "is", None)``,
    ``("a", "is not", None)`` and the null-safe ``<=>`` ask for nulls.

    Raises:
        OptionError: A term is none.
    """
    written = list(terms)
    if not written:
        return Constant(True)
    if all(_is_term(term) for term in written):
        return _all(written)
    groups = []
    for group in written:
        # An empty list among others would keep every row: more likely its terms got lost.
        if (
            not isinstance(group, (list, tuple))
            or not group
            or not all(_is_term(term) for term in group)
        ):
            raise OptionError(
                f"filter takes (column, operator, value) tuples, or lists of them, got {group!r}"
            )
        groups.append(_all(group))
    return groups[0] if len(groups) == 1 else Or(tuple(groups))


def _is_term(term: Any) -> bool:
    return isinstance(term, (tuple, list)) and len(term) == 3 and isinstance(term[0], str)


def _all(terms: Sequence[Any]) -> Expression:
    parsed = tuple(parse_term(parse_column(name), *rest) for name, *rest in terms)
    return parsed[0] if len(parsed) == 1 else And(parsed)


def parse_term(column: Column, operator: Any, value: Any) -> Expression:
    """Parse a comparison of `column`; OptionError if the operator is unknown, or does not take the value."""
    word = " ".join(str(operator).lower().split())
    if word in _COMPARISONS:
        return Compare(column, _COMPARISONS[word], Literal(literal_of(value)))
    if (make := _WORDS.get(word)) is not None:
        return make(column, value)
    known = ", ".join([*_COMPARISONS, *_WORDS])
    raise OptionError(
        f"filter: unknown operator {operator!r} for column {str(column)!r}; known: {known}"
    )


def _in(column: Column, values: Any) -> In:
    # An iterator would be used up by the first look at it.
    if isinstance(values, (str, bytes, Iterator)) or not isinstance(values, Iterable):
        raise OptionError(f"filter: in and not in take a list of values, got {values!r}")
    if isinstance(values, (set, frozenset)):
        # Its order differs between processes, and a state's filter is compared.
        values = sorted(values, key=lambda value: (type(value).__name__, repr(value)))
    return In(column, tuple(literal_of(value) for value in values))


def _is(column: Column, value: Any) -> Expression:
    if value is None:
        return IsNull(column)
    if isinstance(value, bool):
        return And((Not(IsNull(column)), Compare(column, "=", Literal(value))))
    raise OptionError(f"filter: is and is not take None, True or False, got {value!r}")


def _same(column: Column, value: Any) -> Expression:
    literal = literal_of(value)
    if literal is None:
        return IsNull(column)
    return And((Not(IsNull(column)), Compare(column, "=", Literal(literal))))


def _like(column: Column, value: Any) -> Expression:
    if not isinstance(value, str):
        raise OptionError(f"filter: like takes a pattern, got {value!r}")
    return Like(column, value)


_WORDS: dict[str, Callable[[Column, Any], Expression]] = {
    "in": _in,
    "not in": lambda column, values: Not(_in(column, values)),
    "is": _is,
    "is not": lambda column, value: Not(_is(column, value)),
    "<=>": _same,
    "like": _like,
    "not like": lambda column, value: Not(_like(column, value)),
}
