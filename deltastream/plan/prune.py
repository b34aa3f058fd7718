"""Owns partition filters: which files can have rows that a filter on partition columns keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import OptionError
from deltastream.predicate import Column, bind, kept_rows, parse_term

__all__ = ["PartitionFilter", "keep_files", "settle_filter"]

PartitionFilter = Sequence[tuple[str, str, Any]] | Sequence[Sequence[tuple[str, str, Any]]]
"""``[(column, operator, value), ...]``, all of which hold; or a list of such lists, one of which holds."""


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
    """Return where a term is true, as in `filter`."""
    if not isinstance(term, (tuple, list)) or len(term) != 3 or not isinstance(term[0], str):
        raise OptionError(f"partition_filter takes (column, operator, value), got {term!r}")
    name, operator, value = term
    if name not in partitions.column_names:
        known = ", ".join(map(repr, partitions.column_names)) or "none"
        raise OptionError(
            f"partition_filter names {name!r}, which is no partition column (partition columns: {known})"
        )
    column = partitions[name].combine_chunks()
    # Arrays of no dimensions say that they are iterable, too.
    is_one = isinstance(value, (str, bytes)) or getattr(value, "ndim", 1) == 0
    if isinstance(value, Iterable) and not is_one:
        # A null matches nothing; in SQL it would make all of `not in` unknown.
        value = [_in_type(column, one) for one in value if one is not None]
    else:
        value = _in_type(column, value)
    try:
        condition = parse_term(Column((name,), strict=False), operator, value)
        predicate = bind(condition, pa.schema([pa.field(name, column.type)]))
    except OptionError as error:
        raise OptionError(f"partition_{error}") from error
    return kept_rows(predicate, {(name,): column}, len(column))


def _in_type(column: pa.Array, value: Any) -> Any:
    """Return a value as deltatorch took it: text in quotes, "1" for true, and the float32 that is nearest."""
    type_ = column.type
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        # It evaluated its filters as Python, where text needed quotes.
        is_meant = pa.types.is_string(type_) and pc.any(pc.equal(column, value)).as_py()
        value = value if is_meant else value[1:-1]
    if pa.types.is_boolean(type_):
        return {"0": False, "1": True}.get(value, value) if isinstance(value, str) else value
    if pa.types.is_float32(type_) and isinstance(value, (str, int, float, Decimal)):
        try:
            with np.errstate(over="ignore"):
                nearest = float(np.float32(value))
        except (ValueError, OverflowError):
            return value
        # Beyond the range it is larger than all values, not equal to the infinite ones.
        return nearest if isfinite(nearest) else value
    return value
