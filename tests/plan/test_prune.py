from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from math import inf
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import OptionError
from deltastream.plan import keep_files, settle_filter

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
}
SMALL = st.integers(-3, 3)


@st.composite
def terms(draw: st.DrawFn) -> tuple[str, str, Any]:
    comparison = draw(st.sampled_from(sorted(COMPARISONS)))
    value = draw(st.lists(SMALL, max_size=3) if comparison.endswith("in") else SMALL)
    return draw(st.sampled_from(["a", "b"])), comparison, value


def holds(row: dict[str, Any], term: tuple[str, str, Any]) -> bool:
    column, comparison, value = term
    # As in SQL: a comparison with null does not hold, whatever it is.
    return row[column] is not None and COMPARISONS[comparison](row[column], value)


PARTITIONS = st.lists(st.fixed_dictionaries({"a": SMALL | st.none(), "b": SMALL | st.none()}))


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, pa.schema([("a", pa.int64()), ("b", pa.int32())]))


@given(PARTITIONS, st.lists(terms(), min_size=1, max_size=3))
def test_a_list_of_terms_keeps_the_files_for_which_all_hold(
    rows: list[dict[str, Any]], condition: list[tuple[str, str, Any]]
) -> None:
    expected = [all(holds(row, term) for term in condition) for row in rows]
    assert keep_files(table(rows), len(rows), condition).tolist() == expected


@given(PARTITIONS, st.lists(st.lists(terms(), max_size=2), min_size=1, max_size=3))
def test_a_list_of_lists_keeps_the_files_for_which_one_holds(
    rows: list[dict[str, Any]], condition: list[list[tuple[str, str, Any]]]
) -> None:
    expected = [any(all(holds(row, term) for term in group) for group in condition) for row in rows]
    assert keep_files(table(rows), len(rows), condition).tolist() == expected


def test_no_term_keeps_every_file() -> None:
    assert keep_files(table([{"a": None, "b": 1}]), 1, []).tolist() == [True]
    # Not partitioned, and so without columns.
    assert keep_files(pa.table({}), 2, []).tolist() == [True, True]


@pytest.mark.parametrize(
    ("values", "value"),
    [
        (pa.array([1, 2]), "2"),
        (pa.array([1.5, 2.5]), "2.5"),
        (pa.array([date(2024, 1, 1), date(2024, 1, 2)]), "2024-01-02"),
        (pa.array([False, True]), "true"),
        (pa.array([False, True]), "1"),
        (pa.array([0.5, 0.1], pa.float32()), "0.1"),
        (pa.array([0.5, 0.1], pa.float32()), "'0.1'"),
        (pa.array(["x", "y"]), "y"),
        (pa.array(["x", "y"]), "'y'"),
        (pa.array(["y", "'y'"]), "'y'"),
        (pa.array([1, 2]), "'2'"),
    ],
    ids=str,
)
def test_text_is_parsed_as_the_columns_type_with_or_without_quotes(
    values: pa.Array, value: str
) -> None:
    for condition in ([("p", "=", value)], [("p", "in", [value])]):
        assert keep_files(pa.table({"p": values}), 2, condition).tolist() == [False, True]


@pytest.mark.parametrize(
    ("values", "term", "expected"),
    [
        (pa.array([1, 2, 3]), ("=", 2.5), [False, False, False]),
        (pa.array([1, 2, 3]), ("<", 2.5), [True, True, False]),
        (pa.array([1, 2, 3]), (">=", Decimal("2.5")), [False, False, True]),
        (pa.array([1, 2, 3]), ("in", [2.5, 3.0]), [False, False, True]),
        (pa.array([1, 2, 3]), ("<", 10**30), [True, True, True]),
        (
            pa.array([0.5, 0.1, None], pa.float32()),
            ("in", [0.1, Decimal("7")]),
            [False, True, False],
        ),
        (pa.array([0.5, 0.1], pa.float32()), ("<=", 0.1), [False, True]),
        (pa.array([0.5, 0.1], pa.float32()), ("!=", 0.1), [True, False]),
        (pa.array([0.5, inf], pa.float32()), ("=", 1e300), [False, False]),
        (pa.array([0.5, inf], pa.float32()), ("<", "1e300"), [True, False]),
        (pa.array([0.5, inf], pa.float32()), ("=", "inf"), [False, True]),
        (pa.array([0.5, 0.1], pa.float32()), ("in", np.array([0.1, None])), [False, True]),
        (pa.array([1, 2, None]), ("NOT  IN", [1, None]), [False, True, False]),
        (pa.array([1, 2]), ("in", {2: None}.keys()), [False, True]),
        (pa.array([1, 2]), ("=", np.array(2)), [False, True]),
        (pa.array([0.0, 1.0]), ("in", [-0.0]), [True, False]),
        (pa.array([0.0, 1.0]), ("not in", [-0.0]), [False, True]),
        (
            pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
            ("<", datetime(2024, 1, 1, 12)),
            [True, False],
        ),
        (
            pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
            ("=", datetime(2024, 1, 1, 12)),
            [False, False],
        ),
    ],
    ids=str,
)
def test_a_value_between_those_of_the_columns_type_is_not_rounded(
    values: pa.Array, term: tuple[str, Any], expected: list[bool]
) -> None:
    found = keep_files(pa.table({"a`b.c": values}), len(values), [("a`b.c", *term)])
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            [("c", "=", 1)],
            r"names 'c', which is no partition column \(partition columns: 'a', 'b'\)",
        ),
        ([("a", "~", 1)], "unknown operator '~' for column 'a'; known: =, ==, !=, <>, <, <="),
        (
            [("a", "=", "x")],
            "partition_filter: 'x' does not compare with column 'a', which is int64",
        ),
        ([("a", "in", [1, "x"])], "'x' does not compare with column 'a', which is int64"),
        ([("a", "in", "1")], "partition_filter: in and not in take a list of values, got '1'"),
        ([("a", "in", 1)], "partition_filter: in and not in take a list of values, got 1"),
        ([("a", "in", [2**10_001])], "partition_filter: an integer of more than 10000 bits"),
        ([(["a"], "=", 1)], r"takes \(column, operator, value\), got \(\['a'\], '=', 1\)"),
        ([("a", "=")], r"takes \(column, operator, value\), got \('a', '='\)"),
        ([5], r"takes \(column, operator, value\), got \[5\]"),
        ([[("a", "=", 1)], None], r"takes \(column, operator, value\), got \[\[.*None\]"),
        ([["a"]], r"takes \(column, operator, value\), got 'a'"),
    ],
    ids=str,
)
def test_a_filter_that_cannot_be_is_refused(condition: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        keep_files(table([{"a": 1, "b": 1}]), 1, condition)


def test_a_settled_filter_can_be_read_again_and_has_one_text() -> None:
    names = [f"n{i}" for i in range(50)]
    settled = settle_filter(iter([("a", "in", set(names)), ["b", "not in", frozenset(names)]]))  # type: ignore[arg-type]
    assert settled == [("a", "in", sorted(names)), ["b", "not in", sorted(names)]]
    assert settle_filter(settled) == settled
    values: Any = {2: "x", 1: "y"}
    assert settle_filter([iter([("a", "in", values.keys())])]) == [[("a", "in", [1, 2])]]  # type: ignore[list-item]
