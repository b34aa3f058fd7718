from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings

from deltastream.predicate import bind, evaluate, kept_rows, parse_filter
from deltastream.predicate.parse import Filter
from tests.support.predicates import SCHEMA, Row, Truth, filters, rows


def evaluated(condition: Filter, table: pa.Table) -> list[bool | None]:
    predicate = bind(parse_filter(condition), table.schema)
    columns = {(name,): table[name].combine_chunks() for name in table.column_names}
    result: list[bool | None] = evaluate(predicate, columns, table.num_rows).to_pylist()
    return result


@settings(max_examples=500)
@given(data=rows(), condition=filters())
def test_a_filter_is_true_false_or_null_as_its_rows_say(
    data: list[Row], condition: tuple[str, Truth]
) -> None:
    sql, truth = condition
    table = pa.Table.from_pylist(data, schema=SCHEMA)
    assert evaluated(sql, table) == [truth(row) for row in data]


FIELD = pc.field


@pytest.mark.parametrize(
    "expression",
    [
        FIELD("i") > 3,
        ~(FIELD("f") < 2.0),
        FIELD("f") != 5.5,
        FIELD("i").isin([1, 2, None]),
        ~FIELD("i").isin([1, 2]),
        FIELD("f").isin([float("nan"), 1.0]),
        FIELD("f").is_null(nan_is_null=True),
        FIELD("f").is_nan() | FIELD("s").is_valid(),
        (FIELD("o") & (FIELD("i") == 1)) | ~FIELD("o"),
        pc.starts_with(FIELD("s"), "a"),
        pc.match_like(FIELD("s"), "a_"),
        pc.match_substring(FIELD("s"), "A", ignore_case=True),
        FIELD("x") >= b"\x00",
        FIELD("b8").cast("int32") + 1 > 3,
        pc.if_else(FIELD("o"), FIELD("b8") > 0, FIELD("f") > 0),
        pc.scalar(True),
    ],
    ids=str,
)
@given(data=rows(min_size=1))
def test_a_pyarrow_expression_keeps_what_pyarrow_keeps(
    expression: pc.Expression, data: list[Row]
) -> None:
    table = pa.Table.from_pylist(data, schema=SCHEMA)
    predicate = bind(parse_filter(expression), table.schema)
    columns = {(name,): table[name].combine_chunks() for name in table.column_names}
    numbered = table.append_column("row", pa.array(range(len(data))))
    expected = numbered.filter(expression)["row"].to_pylist()
    assert kept_rows(predicate, columns, len(data)).nonzero()[0].tolist() == expected


ROWS: list[tuple[Filter, Any, list[bool | None]]] = [
    ("a = 9007199254740993", pa.array([2.0**53]), [False]),
    ("a > 9007199254740992.5", pa.array([2**53, 2**53 + 1]), [False, True]),
    ("a <= 300", pa.array([127, None], pa.int8()), [True, None]),
    ("a = 0.1", pa.array([0.1], pa.float64()), [True]),
    ("a = 0.1", pa.array([0.1], pa.float32()), [False]),
    ([("a", "=", 0.1)], pa.array([1], pa.int8()).cast(pa.decimal128(5, 2)), [False]),
    ("a in (0.0)", pa.array([-0.0, 0.0]), [True, True]),
    ("a not in (1, null)", pa.array([1, 2, None]), [False, None, None]),
    ([("a", "not in", [1])], pa.array([1, 2, None]), [False, True, None]),
    ("a <=> null", pa.array([1, None]), [False, True]),
    ("a <=> 1", pa.array([1, 2, None]), [True, False, False]),
    ("a is not true", pa.array([True, False, None]), [False, True, True]),
    ("(a > 1) is null", pa.array([1, None]), [False, True]),
    ("a like 'x!%%' escape '!'", pa.array(["x%1", "xy"]), [True, False]),
    ("a ilike 'É%'", pa.array(["éa"]), [True]),
    ("endswith(a, '_')", pa.array(["a_", "ab"]), [True, False]),
    ("a = 'it''s'", pa.array(["it's", "its"]), [True, False]),
    ("1 = 1 and 2 > 1.5", pa.array([1]), [True]),
    ("a >= timestamp '2020-01-01 02:00:00+02:00'", pa.array([0, 10**16], pa.timestamp("us", "UTC")),
     [False, True]),
    ("a = 0.1F", pa.array([0.1, None], pa.float32()), [True, None]),
    ("a in (0.1F, float('3'))", pa.array([0.1, 3.0]), [False, True]),
    ("a < CAST(0.1 AS FLOAT)", pa.array([0.1]), [True]),
    ("a = 1e40F", pa.array([float("inf")], pa.float32()), [True]),
    ("a = 0.1D", pa.array([0.1]), [True]),
    ("a = CAST(1.236 AS DECIMAL(10,2))", pa.array([Decimal("1.24")]), [True]),
    ("a = CAST('-1.235' AS DECIMAL(10,2))", pa.array([Decimal("-1.24")]), [True]),
    ("a = CAST(1.6 AS DECIMAL)", pa.array([2, 1]), [True, False]),
    ("a = -1234567890123456789012345678.5", pa.array([Decimal("-1234567890123456789012345678.5")]),
     [True]),
    ("a in (0.05BD, -1.5BD)", pa.array([Decimal("0.05"), Decimal("-1.50")]), [True, True]),
    ("a = -128Y", pa.array([-128], pa.int8()), [True]),
    ("a = 5L", pa.array([5], pa.int8()), [True]),
    ("a > '1969-12-31T23:59:59.9999995'", pa.array([-1, 0], pa.timestamp("us")), [False, True]),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "values", "expected"), ROWS, ids=str)
def test_values_compare_exactly(
    condition: Filter, values: pa.Array, expected: list[bool | None]
) -> None:
    assert evaluated(condition, pa.table({"a": values})) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (pa.array([2, None], pa.int8()), pa.array([3, 1], pa.int64()), [True, None]),
        (pa.array([0.5], pa.float32()), pa.array([1], pa.int32()), [True]),
        (pa.array([1]).cast(pa.decimal128(20, 0)), pa.array([2**63 - 1]), [True]),
        (pa.array(["a"]), pa.array(["b"]), [True]),
    ],
    ids=str,
)
def test_columns_compare_with_columns(
    left: pa.Array, right: pa.Array, expected: list[bool | None]
) -> None:
    assert evaluated("a < b", pa.table({"a": left, "b": right})) == expected
