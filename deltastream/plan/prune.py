"""Owns partition filters: which files can have rows that a filter on partition columns keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import OptionError
from deltastream.predicate import bind, kept_rows, parse_filter

__all__ = ["PartitionFilter", "keep_files", "settle_filter"]

PartitionFilter = Sequence[tuple[str, str, Any]] | Sequence[Sequence[tuple[str, str, Any]]]
"""``[(column, operator, value), ...]``, all of which hold; or a list of such lists, one of which holds."""

_OPERATORS = ("=", "==", "!=", "<", "<=", ">", ">=", "in", "not in")


def settle_filter(condition: PartitionFilter) -> PartitionFilter:
    """Return `condition` as it says the same in every process, however often it is read.

    An iterator can be read once, and a set has an order of its own in each process.

    Raises:
        OptionError: It is no iterable.
    """
    if isinstance(condition, str) or not isinstance(condition, Iterable):
        raise OptionError(
            f"partition_filter takes a list of (column, operator, value), got {condition!r}"
        )
    return list(map(_settled, condition))


def keep_files(
    partitions: pa.Table, num_files: int, condition: PartitionFilter
) -> npt.NDArray[np.bool_]:
    """Return, for each file, whether its partition values pass the filter; a comparison with null does not.

    All rows of a file share its partition values, so this keeps exactly the rows that pass.

    Raises:
        OptionError: A column is no partition column, an operator is unknown, or a value does not parse.
    """
    terms = list(condition)
    if not terms:
        # A table that is not partitioned has no columns here, and so no rows.
        return np.ones(num_files, np.bool_)
    groups = [terms] if isinstance(terms[0], tuple) else terms
    if not all(isinstance(group, (tuple, list)) for group in groups):
        raise OptionError(f"partition_filter takes (column, operator, value), got {terms!r}")
    keep = np.zeros(num_files, np.bool_)
    for group in groups:
        passed = np.ones(num_files, np.bool_)
        for term in group:
            passed &= _holds(partitions, term)
        keep |= passed
    return keep


def _settled(value: Any) -> Any:
    match value:
        case Set():
            return sorted(value, key=repr)
        case Iterator():
            return list(map(_settled, value))
        case tuple():
            return tuple(map(_settled, value))
        case list():
            return list(map(_settled, value))
    return value


def _holds(partitions: pa.Table, term: Any) -> npt.NDArray[np.bool_]:
    """Return where a term is true, by the rules of `filter`."""
    if not isinstance(term, (tuple, list)) or len(term) != 3:
        raise OptionError(f"partition_filter takes (column, operator, value), got {term!r}")
    name, operator, value = term
    if name not in partitions.column_names:
        known = ", ".join(map(repr, partitions.column_names)) or "none"
        raise OptionError(
            f"partition_filter names {name!r}, which is no partition column (partition columns: {known})"
        )
    operator = str(operator).strip().lower()
    if operator not in _OPERATORS:
        raise OptionError(
            f"partition_filter: unknown operator {operator!r}; known: {', '.join(_OPERATORS)}"
        )
    column = partitions[name].combine_chunks()
    if operator not in ("in", "not in"):
        value = _unquoted(column, value)
    elif isinstance(value, str) or not isinstance(value, Sequence):
        raise OptionError(f"partition_filter: {operator!r} takes a list of values, got {value!r}")
    else:
        value = [_unquoted(column, one) for one in value]
    quoted = "`" + name.replace("`", "``") + "`"
    try:
        condition = parse_filter([(quoted, operator, value)])
        predicate = bind(condition, pa.schema([pa.field(name, column.type)]))
    except OptionError as error:
        raise OptionError(
            f"partition_filter: {term[2]!r} is no value of column {name!r}, which is {column.type}: {error}"
        ) from error
    return kept_rows(predicate, {(name,): column}, len(column))


def _unquoted(column: pa.Array, value: Any) -> Any:
    """Return text without quotes: deltatorch evaluated its filters as Python, where text needed them."""
    if (
        not isinstance(value, str)
        or len(value) < 2
        or value[0] != value[-1]
        or value[0] not in "'\""
    ):
        return value
    is_meant = pa.types.is_string(column.type) and pc.any(pc.equal(column, value)).as_py()
    return value if is_meant else value[1:-1]
