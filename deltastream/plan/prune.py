"""Owns partition filters: which files can have rows that a filter on partition columns keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import OptionError

__all__ = ["PartitionFilter", "keep_files", "settle_filter"]

PartitionFilter = Sequence[tuple[str, str, Any]] | Sequence[Sequence[tuple[str, str, Any]]]
"""``[(column, operator, value), ...]``, all of which hold; or a list of such lists, one of which holds."""

_COMPARISONS: dict[str, Callable[[pa.ChunkedArray, pa.Scalar], pa.ChunkedArray]] = {
    "=": pc.equal,
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


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
    if not isinstance(term, (tuple, list)) or len(term) != 3:
        raise OptionError(f"partition_filter takes (column, operator, value), got {term!r}")
    name, operator, value = term
    if name not in partitions.column_names:
        known = ", ".join(map(repr, partitions.column_names)) or "none"
        raise OptionError(
            f"partition_filter names {name!r}, which is no partition column (partition columns: {known})"
        )
    column = partitions[name]
    operator = str(operator).strip().lower()
    if operator in ("in", "not in"):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise OptionError(
                f"partition_filter: {operator!r} takes a list of values, got {value!r}"
            )
        values = pa.array([_scalar(column, name, v).as_py() for v in value], column.type)
        result = pc.is_in(column, value_set=values)
        if operator == "not in":
            result = pc.invert(result)
        result = pc.and_(result, pc.is_valid(column))
    elif operator in _COMPARISONS:
        result = _COMPARISONS[operator](column, _scalar(column, name, value))
    else:
        raise OptionError(
            f"partition_filter: unknown operator {operator!r}; known: {', '.join([*_COMPARISONS, 'in', 'not in'])}"
        )
    return np.asarray(result.fill_null(False)).astype(np.bool_)


def _scalar(column: pa.ChunkedArray, name: str, value: Any) -> pa.Scalar:
    """Return a filter's value as the column's type; text is parsed, for deltatorch's values are all text."""
    type_ = column.type
    try:
        if isinstance(value, str):
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            # deltatorch evaluated its filters as Python, where text needed quotes.
            if quoted and not (
                pa.types.is_string(type_) and pc.any(pc.equal(column, value)).as_py()
            ):
                value = value[1:-1]
            return pa.scalar(value).cast(type_)
        return pa.scalar(value, type_)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise OptionError(
            f"partition_filter: {value!r} is no value of column {name!r}, which is {type_}: {error}"
        ) from error
