from __future__ import annotations

import pyarrow as pa
import pytest

from deltastream.batch.paths import find_path, prune_schema, take_path
from deltastream.errors import SchemaError

DEEP = pa.struct([("c", pa.int8()), ("d.e", pa.string())])
SCHEMA = pa.schema(
    [
        ("a", pa.struct([("b", DEEP), ("x", pa.float32())])),
        ("a.x", pa.int64()),
        ("n", pa.int16()),
        ("lists", pa.list_(DEEP)),
    ]
)


@pytest.mark.parametrize(
    ("name", "path", "type_"),
    [
        ("n", ("n",), pa.int16()),
        ("a.b", ("a", "b"), DEEP),
        ("a.b.c", ("a", "b", "c"), pa.int8()),
        ("a.b.d.e", ("a", "b", "d.e"), pa.string()),
        # A column of that very name comes before a field of a struct.
        ("a.x", ("a.x",), pa.int64()),
    ],
)
def test_a_dotted_name_is_a_column_or_else_a_field_of_a_struct(
    name: str, path: tuple[str, ...], type_: pa.DataType
) -> None:
    assert find_path(SCHEMA, name) == (path, type_)


@pytest.mark.parametrize(
    "name", ["b", "a.z", "a.b.d", "n.a", "lists.c", "lists.element.c", "a.", ""]
)
def test_a_name_that_means_nothing_is_an_error_that_lists_what_there_is(name: str) -> None:
    with pytest.raises(
        SchemaError, match=f"column '{name}' is not in the table; it has 'a', 'a.x'"
    ):
        find_path(SCHEMA, name)


def test_a_field_that_a_struct_lacks_is_an_error_that_lists_those_it_has() -> None:
    with pytest.raises(SchemaError, match=r"'a\.b' has 'c', 'd\.e'$"):
        find_path(SCHEMA, "a.b.z")


def test_the_fields_of_a_null_struct_are_null() -> None:
    rows = [{"b": {"c": 1}}, None, {"b": None}, {"b": {"c": None}}, {"b": {"c": 5}}]
    column = pa.array([*rows, *rows], pa.struct([("b", pa.struct([("c", pa.int8())]))]))
    assert take_path(column, ("a", "b", "c")).to_pylist() == [1, None, None, None, 5] * 2
    assert take_path(column[1:4], ("a", "b")).is_valid().to_pylist() == [False, False, True]
    assert take_path(column, ("a",)) is column


def test_a_pruned_schema_has_what_paths_lead_to_in_its_order_and_with_its_metadata() -> None:
    field = pa.field("b", DEEP, metadata={"id": "7"})
    schema = pa.schema([pa.field("a", pa.struct([field, ("x", pa.int8())])), ("n", pa.int16())])
    assert prune_schema(schema, [("n",), ("a",)]) == schema
    pruned = prune_schema(schema, [("a", "b", "c")])
    assert pruned.names == ["a"]
    inside = pruned.field("a").type.field(0)
    assert inside.equals(pa.field("b", pa.struct([("c", pa.int8())])))
    assert inside.metadata == {b"id": b"7"}
