from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deltastream.batch import resolve_layout
from deltastream.batch.layout import Layout
from deltastream.errors import OptionError, SchemaError
from deltastream.fields import FieldSpec
from deltastream.types import VARIANT_PART
from tests.support.columns import NUMBERS, field_of, layout_of

DTYPES = {
    "date": "int32",
    "timestamp": "int64",
    "timestamp_ntz": "int64",
    "decimal(4, 2)": "int64",
    "decimal(18, 0)": "int64",
    "decimal(18, 18)": "int64",
}


def no_rows(names: list[str]) -> dict[str, pa.Array]:
    raise AssertionError(f"the first rows of {names} were asked for")


def resolve(schema: pa.Schema, *specs: FieldSpec) -> Layout:
    return resolve_layout(schema, specs, row_dicts=False, first_rows=no_rows)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_column_of_numbers_is_a_tensor_without_a_look_at_the_table(name: str) -> None:
    schema = pa.schema([pa.field("x", NUMBERS[name])])
    (field,) = resolve(schema, FieldSpec("x")).fields
    assert (field.kind, field.dtype, field.shape) == ("number", DTYPES.get(name, name), ())


@pytest.mark.parametrize(
    "type_",
    [
        pa.string(),
        pa.decimal128(19, 0),
        pa.list_(pa.string()),
        pa.list_(pa.list_(pa.string())),
        pa.list_(pa.struct([("a", pa.int64())])),
        pa.map_(pa.string(), pa.int64()),
        pa.null(),
    ],
    ids=str,
)
def test_a_column_without_a_tensor_form_is_a_list_of_python_objects(type_: pa.DataType) -> None:
    layout = resolve(pa.schema([pa.field("x", type_)]), FieldSpec("x"))
    assert layout.fields[0].kind == "objects"
    assert layout.fields[0].dtype is None
    assert layout.object_columns == {"x"}
    assert layout.row_nbytes is None


@pytest.mark.parametrize(
    ("type_", "sample", "dtype", "shape"),
    [
        (pa.list_(pa.float32()), [[1, 2, 3], [4, 5, 6]], "float32", (3,)),
        (pa.list_(pa.bool_()), [[True, False]], "bool", (2,)),
        (pa.list_(pa.date32()), [None, [1], None], "int32", (1,)),
        (pa.list_(pa.decimal128(9, 3)), [[1]], "int64", (1,)),
        (pa.binary(), [b"abcd", b"efgh"], "uint8", (4,)),
        (pa.binary(), [None, b"abcd"], "uint8", (4,)),
    ],
    ids=str,
)
def test_values_that_begin_with_one_length_are_a_tensor_of_that_length(
    type_: pa.DataType, sample: list[Any], dtype: str, shape: tuple[int, ...]
) -> None:
    for ragged in (None, False):
        field = field_of(type_, sample, ragged=ragged)
        assert (field.kind, field.dtype, field.shape) == ("fixed", dtype, shape)


@pytest.mark.parametrize(
    ("type_", "sample"),
    [
        (pa.list_(pa.int64()), [[1], [2, 3]]),
        (pa.list_(pa.int64()), [[], []]),
        (pa.list_(pa.int64()), [None]),
        (pa.list_(pa.int64()), []),
        (pa.list_(pa.int64()), None),
        (pa.binary(), [b"ab", b"c"]),
        (pa.binary(), [b""]),
    ],
    ids=str,
)
def test_values_of_several_lengths_or_none_are_a_list_and_refuse_to_be_a_tensor(
    type_: pa.DataType, sample: list[Any] | None
) -> None:
    field = field_of(type_, sample)
    assert field.kind == ("ragged" if pa.types.is_list(type_) else "objects")
    if sample is not None:
        with pytest.raises(SchemaError, match=r"column 'x' has values of several lengths, or none"):
            field_of(type_, sample, ragged=False)


@pytest.mark.parametrize(
    ("type_", "rows", "kept"),
    [(pa.list_(pa.int8()), [[1], [2, 3], [4, 5]], 2), (pa.binary(), [b"a", b"bc", b"de"], 2)],
    ids=str,
)
def test_only_the_rows_of_a_slice_tell_the_length(
    type_: pa.DataType, rows: list[Any], kept: int
) -> None:
    schema = pa.schema([pa.field("x", type_)])
    values = pa.array(rows, type_)[-kept:]
    layout = resolve_layout(
        schema, [FieldSpec("x")], row_dicts=False, first_rows=lambda names: {"x": values}
    )
    assert layout.fields[0].shape == (2,)


def test_what_is_said_about_a_length_spares_the_look_at_the_table() -> None:
    schema = pa.schema([("list", pa.list_(pa.int8())), ("bytes", pa.binary())])
    layout = resolve(
        schema,
        FieldSpec("list", ragged=True),
        FieldSpec("bytes", ragged=True),
        FieldSpec("bytes", decode_numpy_and_apply_shape=(2, 3), target_name="array"),
        FieldSpec("bytes", transform=len, target_name="length"),
        FieldSpec("bytes", load_image_using_pil=True, target_name="image"),
        FieldSpec("list", transform=len, target_name="list length"),
    )
    kinds = [(field.target, field.kind) for field in layout.fields]
    assert kinds == [
        ("list", "ragged"),
        ("bytes", "objects"),
        ("array", "fixed"),
        ("length", "rows"),
        ("image", "rows"),
        ("list length", "rows"),
    ]
    assert (layout.fields[2].dtype, layout.fields[2].shape) == ("uint8", (2, 3))


def test_the_table_is_looked_at_once_for_all_columns_that_need_it() -> None:
    asked: list[list[str]] = []

    def first_rows(names: list[str]) -> dict[str, pa.Array]:
        asked.append(names)
        return {"a": pa.array([[1, 2]], pa.list_(pa.int8()))}

    schema = pa.schema([("a", pa.list_(pa.int8())), ("n", pa.int8()), ("b", pa.binary())])
    layout = resolve_layout(schema, None, row_dicts=False, first_rows=first_rows)
    assert asked == [["a", "b"]]
    assert [field.kind for field in layout.fields] == ["fixed", "number", "objects"]
    assert layout.fields[2].columns == ("b",)


def test_without_fields_every_column_is_one_in_the_tables_order() -> None:
    schema = pa.schema([("b", pa.int8()), ("a", pa.string())])
    layout = resolve_layout(schema, None, row_dicts=False, first_rows=no_rows)
    assert [field.target for field in layout.fields] == ["b", "a"]


@pytest.mark.parametrize(
    ("types", "dtype"),
    [
        ([pa.int8(), pa.int64()], "int64"),
        ([pa.int32(), pa.float32()], "float64"),
        ([pa.float32(), pa.float32(), pa.bool_()], "float32"),
        ([pa.float64(), pa.float64()], "float64"),
        ([pa.int64(), pa.float64(), pa.bool_()], "float64"),
        ([pa.bool_(), pa.bool_()], "bool"),
        ([pa.date32(), pa.int16()], "int32"),
    ],
    ids=str,
)
def test_stacked_columns_have_numpys_common_dtype(types: list[pa.DataType], dtype: str) -> None:
    names = [f"c{i}" for i in range(len(types))]
    schema = pa.schema(list(zip(names, types, strict=True)))
    (field,) = resolve(schema, FieldSpec(names, target_name="x")).fields
    assert (field.kind, field.dtype, field.shape) == ("stack", dtype, (len(types),))


def test_a_list_of_one_column_is_a_stack_of_one() -> None:
    (field,) = resolve(pa.schema([("a", pa.int8())]), FieldSpec(["a"], target_name="x")).fields
    assert (field.kind, field.shape) == ("stack", (1,))


def test_decimals_are_not_stacked_with_numbers_of_another_scale_unless_as_floats() -> None:
    schema = pa.schema(
        [("a", pa.decimal128(9, 2)), ("b", pa.float32()), ("c", pa.decimal128(9, 2))]
    )
    for names in (["a", "b"], ["b", "a"]):
        with pytest.raises(SchemaError, match="another scale: decimal='float'"):
            resolve(schema, FieldSpec(names, target_name="x"))
        (field,) = resolve(schema, FieldSpec(names, target_name="x", decimal="float")).fields
        assert field.dtype == "float64"
    (field,) = resolve(schema, FieldSpec(["a", "c"], target_name="x")).fields
    assert field.dtype == "int64"


def test_only_numbers_are_stacked() -> None:
    schema = pa.schema([("a", pa.float64()), ("b", pa.string())])
    with pytest.raises(SchemaError, match="field 'x' stacks numeric columns, but 'b' is string"):
        resolve(schema, FieldSpec(["a", "b"], target_name="x"))


def test_a_column_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    schema = pa.schema([("a", pa.int8()), ("b", pa.int8())])
    for spec in (FieldSpec("c"), FieldSpec(["a", "c"], target_name="x")):
        with pytest.raises(
            SchemaError, match="no column 'c' in the table, whose columns are 'a', 'b'"
        ):
            resolve(schema, spec)


@pytest.mark.parametrize(
    ("specs", "name"),
    [
        ([FieldSpec("a"), FieldSpec("a")], "a"),
        ([FieldSpec("a"), FieldSpec("b", target_name="a")], "a"),
        ([FieldSpec("a", null_mask=True), FieldSpec("b", target_name="a_mask")], "a_mask"),
    ],
)
def test_two_fields_of_one_name_are_refused(specs: list[FieldSpec], name: str) -> None:
    schema = pa.schema([("a", pa.int8()), ("b", pa.int8())])
    with pytest.raises(OptionError, match=f"two fields are named '{name}'"):
        resolve(schema, *specs)


def test_no_field_at_all_is_refused() -> None:
    with pytest.raises(OptionError, match="fields is empty"):
        resolve(pa.schema([("a", pa.int8())]))


@pytest.mark.parametrize(
    "options", [{"decode_numpy_and_apply_shape": (2,)}, {"load_image_using_pil": True}], ids=str
)
def test_only_binary_columns_are_decoded(options: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="column 'x' is string; decoding needs a binary column"):
        field_of(pa.string(), **options)


@pytest.mark.parametrize(
    ("type_", "fill"),
    [
        (pa.int8(), 128),
        (pa.int8(), -129),
        (pa.int64(), 0.5),
        (pa.int64(), float("nan")),
        (pa.bool_(), 2),
        (pa.date32(), 2**31),
        (pa.decimal128(5, 2), 1.5),
    ],
    ids=str,
)
def test_a_fill_that_the_dtype_cannot_hold_is_refused_before_any_batch(
    type_: pa.DataType, fill: float
) -> None:
    with pytest.raises(OptionError, match=r"field 'x': fill_null=.* is no value of "):
        field_of(type_, fill_null=fill)


@pytest.mark.parametrize(
    ("type_", "fill"),
    [(pa.int8(), -128), (pa.int64(), 2.0), (pa.float32(), 0.1), (pa.float64(), float("nan"))],
    ids=str,
)
def test_a_fill_that_the_dtype_holds_is_taken(type_: pa.DataType, fill: float) -> None:
    assert field_of(type_, fill_null=fill).kind == "number"


def test_row_dicts_are_made_of_python_values_only() -> None:
    schema = pa.schema([("a", pa.int8()), ("b", pa.binary())])
    layout = resolve_layout(schema, None, row_dicts=True, first_rows=no_rows)
    assert layout.row_dicts
    assert [field.kind for field in layout.fields] == ["rows", "rows"]


def test_a_layout_knows_its_columns_once_each_and_the_bytes_of_a_row() -> None:
    schema = pa.schema([("a", pa.int8()), ("b", pa.float64()), ("c", pa.list_(pa.int16()))])
    layout = layout_of(
        schema,
        FieldSpec(["b", "a"], target_name="x"),
        FieldSpec("a", null_mask=True),
        FieldSpec("c", null_mask=True),
        FieldSpec(["a", "b"], target_name="y", null_mask=True),
        samples={"c": [[1, 2, 3]]},
    )
    assert layout.columns == ["b", "a", "c"]
    assert layout.object_columns == frozenset()
    assert [tensor for field in layout.fields for tensor in field.tensors] == [
        ("x", np.dtype("float64"), (2,)),
        ("a", np.dtype("int8"), ()),
        ("a_mask", np.dtype("bool"), ()),
        ("c", np.dtype("int16"), (3,)),
        ("c_mask", np.dtype("bool"), ()),
        ("y", np.dtype("float64"), (2,)),
        ("y_mask", np.dtype("bool"), (2,)),
    ]
    assert layout.row_nbytes == 16 + 1 + 1 + 6 + 1 + 16 + 2


POINT = pa.struct([("x", pa.float32()), ("at", pa.struct([("t", pa.timestamp("us"))]))])


def test_a_struct_is_its_fields_each_with_the_rules_of_its_type() -> None:
    schema = pa.schema([("p", POINT), ("n", pa.int8())])
    layout = resolve(schema, FieldSpec("p", target_name="q", null_mask=True), FieldSpec("n"))
    found = [(f.keys, f.kind, f.dtype, f.names[1:] != []) for f in layout.fields]
    assert found == [
        (("q", "x"), "number", np.float32, True),
        (("q", "at", "t"), "number", np.int64, True),
        (("q", "at_mask"), "validity", np.bool_, False),
        (("q_mask",), "validity", np.bool_, False),
        (("n",), "number", np.int8, False),
    ]
    assert layout.columns == ["p", "n"]
    assert layout.paths == [("p", "x"), ("p", "at", "t"), ("p", "at"), ("p",), ("n",)]
    assert layout.specs[0].name == "p"


def test_options_of_a_struct_hold_for_the_fields_that_can_take_them() -> None:
    type_ = pa.struct([("a", pa.int8()), ("b", pa.string()), ("c", pa.list_(pa.int32()))])
    layout = resolve(
        pa.schema([("s", type_)]),
        FieldSpec("s", dtype="float32", fill_null=0.5, ragged="padded", pad_value=-1),
    )
    a, b, c = layout.fields
    assert (a.kind, a.dtype, a.fill) == ("number", np.float32, 0.5)
    # Text may be padded, too, as its bytes.
    assert (b.kind, b.form, c.kind, c.form) == ("ragged", "padded", "ragged", "padded")
    spec = FieldSpec("s", fill_null=1, dtype="int64", ragged=True)
    a, b, c = resolve(pa.schema([("s", type_)]), spec).fields
    assert (a.dtype, b.kind, c.kind) == (np.int64, "objects", "ragged")
    with pytest.raises(OptionError, match=r"field 's\.a': fill_null=300 is no value of int8"):
        resolve(pa.schema([("s", type_)]), FieldSpec("s", fill_null=300, ragged=True))


def test_a_field_of_a_struct_is_a_field_of_its_own() -> None:
    schema = pa.schema([("p", POINT), ("p.x", pa.int64())])
    layout = resolve(
        schema,
        FieldSpec("p.at.t"),
        FieldSpec("p.x"),
        FieldSpec(("p.at.t", "p.x"), target_name="both"),
    )
    assert [(f.target, f.paths) for f in layout.fields] == [
        ("p.at.t", (("p", "at", "t"),)),
        ("p.x", (("p.x",),)),
        ("both", (("p", "at", "t"), ("p.x",))),
    ]
    assert [f.is_second for f in layout.fields] == [False, False, True]


def test_the_values_of_a_variant_are_never_taken_for_arrays() -> None:
    parts = [("value", pa.binary()), ("metadata", pa.binary())]
    variant = pa.struct([pa.field(*part, metadata={VARIANT_PART: b""}) for part in parts])
    layout = resolve(pa.schema([("v", variant)]), FieldSpec("v"))
    assert [(f.keys, f.kind) for f in layout.fields] == [
        (("v", "value"), "objects"),
        (("v", "metadata"), "objects"),
    ]
    # A struct of a user's with the same names is none.
    struct = pa.struct(parts)
    first = {"v": pa.array([{"value": b"a", "metadata": b"bc"}], struct)}
    schema = pa.schema([("v", struct)])
    layout = resolve_layout(schema, [FieldSpec("v")], row_dicts=False, first_rows=lambda _: first)
    assert [(f.keys, f.kind) for f in layout.fields] == [
        (("v", "value"), "fixed"),
        (("v", "metadata"), "fixed"),
    ]


def test_a_mask_that_has_the_name_of_a_field_is_refused() -> None:
    type_ = pa.struct([("a", pa.int8()), ("a_mask", pa.int8())])
    with pytest.raises(OptionError, match=r"two fields are named 's\.a_mask'"):
        resolve(pa.schema([("s", type_)]), FieldSpec("s", null_mask=True))


def test_two_structs_of_one_name_are_refused() -> None:
    schema = pa.schema([("p", POINT), ("n", pa.int8())])
    for other in (FieldSpec("p"), FieldSpec("n", target_name="p")):
        with pytest.raises(OptionError, match="two fields are named 'p"):
            resolve(schema, FieldSpec("p"), other)


@pytest.mark.parametrize(
    ("sample", "kind", "shape"),
    [
        ([[[1, 2], [3, 4], [5, 6]]], "fixed", (3, 2)),
        ([None, [[1, 2]], [[3, 4], None]], "ragged", (2,)),
        ([[[1], [2, 3]]], "objects", ()),
        ([[], []], "objects", ()),
        (None, "objects", ()),
    ],
    ids=str,
)
def test_lists_of_lists_are_tensors_if_the_inner_ones_are_of_one_length(
    sample: list[Any] | None, kind: str, shape: tuple[int, ...]
) -> None:
    type_ = pa.list_(pa.list_(pa.int64()))
    field = field_of(type_, sample)
    assert (field.kind, field.shape) == (kind, shape)
    if kind == "objects":
        with pytest.raises(SchemaError, match="several lengths, or none at all, in its elements"):
            field_of(type_, sample, ragged="offsets")
    else:
        found = field_of(type_, sample, ragged="nested")
        assert (found.kind, found.shape) == ("ragged", shape[-1:])


@pytest.mark.parametrize("form", ["offsets", "padded", "nested"])
def test_forms_of_ragged_tensors_are_for_what_has_numbers_or_bytes(form: Any) -> None:
    for type_ in (pa.list_(pa.bool_()), pa.string(), pa.binary()):
        field = field_of(type_, ragged=form)
        assert (field.kind, field.form) == ("ragged", form)
    for type_ in (pa.int8(), pa.list_(pa.string()), pa.map_(pa.int8(), pa.int8())):
        with pytest.raises(SchemaError, match=f"column 'x' is .*; ragged='{form}' needs an array"):
            field_of(type_, ragged=form)


def test_row_dicts_take_no_options_of_tensors() -> None:
    schema = pa.schema([("a", pa.list_(pa.int8()))])
    options: list[dict[str, Any]] = [{"dtype": "int64"}, {"ragged": "padded"}]
    for given in options:
        with pytest.raises(OptionError, match="field 'a': dtype, decimal and the forms of ragged"):
            resolve_layout(schema, [FieldSpec("a", **given)], row_dicts=True, first_rows=no_rows)


def test_options_of_a_structs_fields_leave_its_mask_what_it_is() -> None:
    type_ = pa.struct([("a", pa.decimal128(5, 2))])
    spec = FieldSpec("s", null_mask=True, dtype="bfloat16", decimal="float", fill_null=2)
    value, mask = resolve(pa.schema([("s", type_)]), spec).fields
    assert (value.dtype, value.is_bfloat16) == (np.uint16, True)
    assert (mask.dtype, mask.is_bfloat16, mask.names) == (np.bool_, False, ["s_mask"])
