from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from deltastream.errors import LogCorruptError, UnsupportedFeatureError
from deltastream.log.schema import parse_schema


def parse(*fields: dict[str, Any]) -> pa.Schema:
    return parse_schema(json.dumps({"type": "struct", "fields": list(fields)}), table_uri="table")


def field(name: str, type_: Any, nullable: bool = True, metadata: Any = None) -> dict[str, Any]:
    return {"name": name, "type": type_, "nullable": nullable, "metadata": metadata}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("byte", pa.int8()),
        ("short", pa.int16()),
        ("integer", pa.int32()),
        ("long", pa.int64()),
        ("float", pa.float32()),
        ("double", pa.float64()),
        ("boolean", pa.bool_()),
        ("string", pa.string()),
        ("binary", pa.binary()),
        ("date", pa.date32()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("timestamp_ntz", pa.timestamp("us")),
        ("decimal", pa.decimal128(10, 0)),
        ("decimal(5,2)", pa.decimal128(5, 2)),
        ("decimal(38, 18)", pa.decimal128(38, 18)),
        ("void", pa.null()),
    ],
)
def test_every_primitive_type_has_its_arrow_type(declared: str, expected: pa.DataType) -> None:
    assert parse(field("x", declared)) == pa.schema([("x", expected)])


def test_nested_types_keep_their_names_and_nullability() -> None:
    array = {"type": "array", "elementType": "integer", "containsNull": False}
    map_ = {"type": "map", "keyType": "string", "valueType": array, "valueContainsNull": False}
    struct = {"type": "struct", "fields": [field("m", map_), field("n", "long", nullable=False)]}
    inner = pa.list_(pa.field("element", pa.int32(), nullable=False))
    expected = pa.struct(
        [
            ("m", pa.map_(pa.string(), pa.field("value", inner, nullable=False))),
            pa.field("n", pa.int64(), nullable=False),
        ]
    )
    assert parse(field("s", struct, nullable=False)) == pa.schema(
        [pa.field("s", expected, nullable=False)]
    )


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("interval day to second", "interval day to second"),
        ("decimal(39,0)", r"decimal\(39,0\)"),
        ("decimal(10,11)", r"decimal\(10,11\)"),
        ("decimal(10,99999999999)", r"decimal\(10,99999999999\)"),
        ("brand new", "brand new"),
        ({"type": "udt", "class": "x"}, "udt"),
    ],
)
def test_an_unknown_type_is_refused_with_its_column_and_its_name(declared: Any, name: str) -> None:
    array = {"type": "array", "elementType": declared, "containsNull": True}
    struct = {"type": "struct", "fields": [field("b", array)]}
    with pytest.raises(UnsupportedFeatureError, match=rf"table: column 'a.b.element' .*{name}"):
        parse(field("a", struct))


@pytest.mark.parametrize("declared", ["variant", {"type": "variant"}])
def test_a_variant_is_the_struct_that_stores_it(declared: Any) -> None:
    array = {"type": "array", "elementType": declared, "containsNull": False}
    binary = [pa.field(name, pa.binary(), nullable=False) for name in ("value", "metadata")]
    element = pa.field("element", pa.struct(binary), nullable=False)
    assert parse(field("v", array)) == pa.schema([("v", pa.list_(element))])


@pytest.mark.parametrize("fields", [["x", "x"], ["a", "x", "b", "x"]])
def test_two_columns_of_one_name_are_corrupt(fields: list[str]) -> None:
    nested = {"type": "struct", "fields": [field(name, "long") for name in fields]}
    with pytest.raises(LogCorruptError, match=r"table: .* same names"):
        parse(field("a", nested))
    with pytest.raises(LogCorruptError, match=r"table: .* same names"):
        parse(*nested["fields"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"fields":[{}]}',
        '{"fields":[{"name":"x","type":5}]}',
        "[" * 100_000,
    ],
)
def test_a_schema_that_is_none_is_corrupt(text: str) -> None:
    with pytest.raises(LogCorruptError, match=r"table: metaData\.schemaString"):
        parse_schema(text, table_uri="table")
