from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc
import pytest

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
        ([("s", "in", ["x", "y"])], "s IN ('x', 'y')"),
        (pc.field("id") + 1 > 3, "(add_checked(id, 1) > 3)"),
    ],
)
def test_a_filter_of_another_form_is_shown_as_sql_where_there_is_any(
    condition: Any, text: str
) -> None:
    assert text_of(parse_filter(condition)) == text
