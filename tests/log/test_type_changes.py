from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import LogCorruptError, UnsupportedFeatureError
from deltastream.log.schema import parse_schema

# Delta PROTOCOL.md, "Type Widening".
SUPPORTED = [
    *[("byte", "short"), ("byte", "integer"), ("byte", "long"), ("byte", "double")],
    *[("short", "integer"), ("short", "long"), ("short", "double")],
    *[("integer", "long"), ("integer", "double")],
    *[("float", "double"), ("date", "timestamp_ntz")],
    *[("byte", "decimal(10,0)"), ("short", "decimal(11,1)"), ("integer", "decimal(10, 0)")],
    *[("long", "decimal(20,0)"), ("long", "decimal(38,18)")],
    *[("decimal(6,2)", "decimal(10, 4)"), ("decimal(10,2)", "decimal(20,2)")],
    # Spark's own files, tighter than the protocol says.
    *[("byte", "decimal(4,1)"), ("short", "decimal(6,1)"), ("byte", "decimal(3,0)")],
]
UNSUPPORTED = [
    *[("short", "byte"), ("long", "double"), ("integer", "float"), ("double", "float")],
    *[("long", "integer"), ("integer", "string"), ("byte", "unsupported"), ("byte", "byte")],
    *[("date", "timestamp"), ("timestamp", "timestamp_ntz"), ("timestamp_ntz", "date")],
    *[("byte", "decimal(3,1)"), ("integer", "decimal(10,1)"), ("long", "decimal(19,0)")],
    *[("decimal(10,2)", "decimal(10,3)"), ("decimal(10,2)", "decimal(11,4)")],
    *[("decimal(10,2)", "decimal(12,1)"), ("decimal(10,2)", "double")],
    *[("float", "decimal(38,10)"), ("string", "decimal(38,0)")],
]


def parse(changes: Any, *, nested: bool = False) -> None:
    column = {"name": "b", "type": "long", "metadata": {"delta.typeChanges": changes}}
    if nested:
        struct = {"type": "struct", "fields": [column]}
        array = {"type": "array", "elementType": struct, "containsNull": True}
        column = {"name": "a", "type": {"type": "map", "keyType": "long", "valueType": array}}
    parse_schema(json.dumps({"fields": [column]}), table_uri="table")


@pytest.mark.parametrize(("before", "after"), SUPPORTED)
def test_a_widening_of_the_protocol_is_read(before: str, after: str) -> None:
    parse([{"fromType": before, "toType": after, "tableVersion": 2}])


@pytest.mark.parametrize(("before", "after"), UNSUPPORTED)
@pytest.mark.parametrize("nested", [False, True])
def test_another_change_is_refused_with_its_column_and_types(
    before: str, after: str, nested: bool
) -> None:
    fine = {"fromType": "byte", "toType": "short"}
    column = "a.value.element.b" if nested else "b"
    with pytest.raises(UnsupportedFeatureError) as error:
        parse([fine, {"fromType": before, "toType": after}], nested=nested)
    for part in (f"table: column {column!r}", f"from {before} to {after}", "typeWidening"):
        assert part in str(error.value)


def test_a_change_inside_an_array_or_a_map_is_named_by_its_path() -> None:
    parse([{"fromType": "float", "toType": "double", "fieldPath": "element.key"}])
    with pytest.raises(UnsupportedFeatureError, match=r"column 'b.element.key' was changed"):
        parse([{"fromType": "float", "toType": "string", "fieldPath": "element.key"}])


@pytest.mark.parametrize("changes", [[{}], [5], {"fromType": "byte"}, [{"fromType": "byte"}]])
def test_changes_that_name_no_types_are_corrupt(changes: Any) -> None:
    with pytest.raises(LogCorruptError, match="schemaString"):
        parse(changes)


DECIMALS = st.tuples(st.integers(1, 38), st.integers(0, 38)).filter(lambda pair: pair[1] <= pair[0])


@given(before=DECIMALS, after=DECIMALS)
def test_a_decimal_may_grow_where_no_digit_is_lost(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    changes = [
        {"fromType": "decimal({},{})".format(*before), "toType": "decimal({},{})".format(*after)}
    ]
    keeps_digits = after[1] >= before[1] and after[0] - after[1] >= before[0] - before[1]
    if keeps_digits:
        parse(changes)
    else:
        with pytest.raises(UnsupportedFeatureError):
            parse(changes)
