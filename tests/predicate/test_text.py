from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from deltastream.errors import OptionError
from deltastream.predicate import parse_filter, text_of


@pytest.mark.parametrize(
    "sql",
    [
        "id > 100",
        "x = -5 OR x = 1.5 OR x = 1000.0D",
        "(a = 1 AND b = TRUE) OR NOT (c IN (1, 2))",
        "NOT (x IS NULL) AND isnan(y)",
        r"s = 'it\'s' OR s = 'a\\b'",
        "s LIKE 'x%' OR s ILIKE '_q'",
        "`a.b`.`c` = X'00ff'",
        "(a = 1 OR a = 2) IS TRUE",
        "day = DATE '2024-01-01'",
        "t >= TIMESTAMP '2024-01-01 10:00:00.5Z'",
        "t < TIMESTAMP '0001-01-01 00:00:01'",
        "x = NULL",
        "x < CAST('inf' AS DOUBLE) OR x = CAST('-inf' AS DOUBLE) OR x = CAST('nan' AS DOUBLE)",
        "TRUE",
    ],
)
def test_what_is_shown_is_the_filter(sql: str) -> None:
    assert text_of(parse_filter(sql)) == sql


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ([("id", ">", 100)], "id > 100"),
        ([("x", "=", 1.5)], "x = 1.5D"),
        ([("x", "=", Decimal("1.50"))], "x = 1.50"),
        ([("day", "=", datetime.date(2024, 1, 1))], "day = DATE '2024-01-01'"),
        ([("t", "=", np.datetime64(5, "10us"))], "t = TIMESTAMP '1970-01-01 00:00:00.00005'"),
        ([("t", "=", np.datetime64(2, "2W"))], "t = DATE '1970-01-29'"),
        ([("s", "in", ["x", "y"])], "s IN ('x', 'y')"),
    ],
)
def test_a_filter_of_another_form_is_shown_as_sql_where_there_is_any(
    condition: Any, text: str
) -> None:
    assert text_of(parse_filter(condition)) == text


def test_of_what_arrow_alone_evaluates_equal_texts_are_equal_filters() -> None:
    field = pc.field("id")
    assert text_of(parse_filter(field + 1 > 3)).startswith("(add_checked(id, 1) > 3) #")
    lists = [[*range(100)], [*range(50), -1, *range(51, 100)], [*range(100)]]
    first, other, again = (
        text_of(parse_filter(field.isin(values) & (pc.abs(field) < 2))) for values in lists
    )
    assert first == again != other
    half, whole = (
        text_of(parse_filter(pc.abs(field) == pa.scalar(0.5, type_)))
        for type_ in (pa.float32(), pa.float64())
    )
    assert half != whole


def test_a_backquote_in_a_name_does_not_end_it() -> None:
    one, two = (text_of(parse_filter(sql)) for sql in ("`a``.``b` = 1", "`a`.`b` = 1"))
    assert (one, two) == ("`a``.``b` = 1", "`a`.`b` = 1")


def test_a_set_has_one_text_and_an_iterator_is_refused() -> None:
    values = [str(i) for i in range(9)]
    assert text_of(parse_filter([("s", "in", set(values))])) == text_of(
        parse_filter([("s", "in", values)])
    )
    with pytest.raises(OptionError, match="list of values"):
        parse_filter([("s", "in", iter(values))])


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"])
def test_a_datetime64_of_any_unit_is_a_moment(unit: str) -> None:
    moment = np.datetime64("2026-01-01", unit)
    assert (
        text_of(parse_filter([("d", "=", moment)]))
        == f"d = DATE '{moment.astype('datetime64[D]')}'"
    )
