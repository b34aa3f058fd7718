from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from deltastream.errors import DeltaStreamError, OptionError, SchemaError
from deltastream.predicate import (
    bind,
    parse_column,
    parse_filter,
    project_columns,
    resolve_column,
    take_path,
)
from deltastream.predicate.bound import paths_of
from deltastream.predicate.parse import Filter

SCHEMA = pa.schema(
    [
        ("a", pa.struct([("b", pa.int64()), ("C d", pa.struct([("e.f", pa.string())]))])),
        ("a.b", pa.string()),
        ("Upper", pa.int32()),
        ("twice", pa.int32()),
        ("TWICE", pa.int32()),
        ("t", pa.timestamp("us")),
        ("z", pa.timestamp("us", "UTC")),
        ("l", pa.list_(pa.int64())),
        ("p", pa.decimal128(5, 2)),
        ("o", pa.bool_()),
    ]
)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.b", ("a.b",)),
        ("`a`.`b`", ("a", "b")),
        ("`a.b`", ("a.b",)),
        ("a.c d.e.f", ("a", "C d", "e.f")),
        ("a.`C d`.`e.f`", ("a", "C d", "e.f")),
        ("upper", ("Upper",)),
        ("twice", ("twice",)),
        ("A.B", ("a.b",)),
    ],
)
def test_a_reference_finds_its_column(text: str, path: tuple[str, ...]) -> None:
    assert resolve_column(SCHEMA, parse_column(text))[0] == path
    if " " not in text or "`" in text:
        assert paths_of(bind(parse_filter(f"{text} IS NULL"), SCHEMA)) == (path,)


@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        ("nope = 1", SchemaError, "no column 'nope' in the table, whose columns are 'a', 'a.b'"),
        ("`a`.`x` = 1", SchemaError, "no column '`a`.`x`'"),
        ("Twice = 1", SchemaError, "'Twice' is ambiguous: it may be 'twice', 'TWICE'"),
        ("upper = 'x'", OptionError, "'x' does not compare with column 'upper', which is int32"),
        ("upper = true", OptionError, "True does not compare with column 'upper'"),
        ("t > 'yesterday'", OptionError, "'yesterday' does not compare .* timestamp such as 2024"),
        ("t > '2024-01-01T00:00:00Z'", OptionError, "no time zone, the literal has one"),
        ("o = 1", OptionError, "1 does not compare with column 'o', which is bool"),
        ("l = 1", OptionError, "column 'l' is list.*: only its fields compare"),
        ("upper", OptionError, "True does not compare with column 'upper'"),
        ("upper like 'a'", OptionError, "LIKE 'a' needs text, column 'upper' is int32"),
        ("upper = o", OptionError, "column 'upper' is int32 and column 'o' is bool"),
        ("upper = 1E", OptionError, "1E is no number"),
        ("upper < " + "9" * 5000, OptionError, "9999 is no number: Exceeds the limit"),
        ([("upper", "<", 2**10_001)], OptionError, "an integer of more than 10000 bits"),
        ([("t", "<", np.datetime64(2**62, "D"))], OptionError, "beyond what 64 bits of seconds"),
        ("upper + 1 = 2", OptionError, "filter 'upper \\+ 1 = 2': 'upper \\+ 1' is no constant"),
        ("upper = ", OptionError, "filter 'upper = ' does not parse at '='"),
        ("upper +", OptionError, "at '\\+': Required keyword: 'expression' missing for Add"),
        ("upper = 1; o", OptionError, "is no condition"),
        ("upper in (select 1)", OptionError, "is IN without a list"),
        ("upper = current_date", OptionError, "'CURRENT_DATE' is no constant"),
        ("rand() > 1", OptionError, "'RAND\\(\\)' is no constant"),
        ("upper < CAST(300 AS TINYINT)", OptionError, "is no constant that a filter can have"),
        ("upper < CAST(1000 AS DECIMAL(5,2))", OptionError, "is no constant that a filter can"),
        ("upper < CAST(1 AS DECIMAL(39,0))", OptionError, "is no constant that a filter can have"),
        ("upper < CAST(1.5 AS INT)", OptionError, "is no constant that a filter can have"),
        ("o = DATE '2024-02-30'", OptionError, "is no constant that a filter can have"),
        ([("upper", "~", 1)], OptionError, "unknown operator '~'"),
        ([("upper", "in", "abc")], OptionError, "take a list of values, got 'abc'"),
        ([("upper", "=", [1])], OptionError, "a list cannot be compared with"),
        ([("upper", 1)], OptionError, "takes \\(column, operator, value\\)"),
        ([("`upper", "=", 1)], OptionError, "a backquote is not closed"),
        (5, OptionError, "filter takes SQL, .* got int"),
        ("1 = 'a'", OptionError, "1 does not compare with 'a'"),
    ],
    ids=str,
)
def test_a_filter_that_cannot_be_says_why(
    condition: Filter, error: type[DeltaStreamError], message: str
) -> None:
    with pytest.raises(error, match=message):
        bind(parse_filter(condition), SCHEMA)


def test_a_projected_schema_has_what_paths_lead_to_with_its_metadata() -> None:
    deep = pa.struct([("c", pa.int8()), ("d.e", pa.string())])
    field = pa.field("b", deep, metadata={"id": "7"})
    schema = pa.schema([pa.field("a", pa.struct([field, ("x", pa.int8())])), ("n", pa.int16())])
    assert project_columns(schema, [("a",), ("n",)]) == schema
    projected = project_columns(schema, [("a", "b", "c")])
    assert projected.names == ["a"]
    inside = projected.field("a").type.field(0)
    assert inside.equals(pa.field("b", pa.struct([("c", pa.int8())])))
    assert inside.metadata == {b"id": b"7"}


def test_the_fields_of_a_null_struct_are_null() -> None:
    rows = [{"b": {"c": 1}}, None, {"b": None}, {"b": {"c": None}}, {"b": {"c": 5}}]
    column = pa.array([*rows, *rows], pa.struct([("b", pa.struct([("c", pa.int8())]))]))
    assert take_path(column, ("a", "b", "c")).to_pylist() == [1, None, None, None, 5] * 2
    assert take_path(column[1:4], ("a", "b")).is_valid().to_pylist() == [False, False, True]
    assert take_path(column, ("a",)) is column
