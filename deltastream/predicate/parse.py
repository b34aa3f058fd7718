"""Owns what a filter may be given as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow.compute as pc

from deltastream.errors import OptionError
from deltastream.predicate.arrow import parse_arrow
from deltastream.predicate.dnf import parse_dnf
from deltastream.predicate.expression import Expression

__all__ = ["Filter", "parse_filter"]

Filter: TypeAlias = (
    str | Sequence[tuple[str, str, Any]] | Sequence[Sequence[tuple[str, str, Any]]] | pc.Expression
)
"""SQL as it stands after WHERE, (column, operator, value) tuples or lists of such lists, or a pyarrow expression."""


def parse_filter(condition: Filter) -> Expression:
    """Parse a filter.

    Raises:
        OptionError: It does not parse, or has a part that is not supported.
    """
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
