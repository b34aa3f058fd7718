from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch import resolve_layout
from deltastream.batch.allocate import AnyArray
from deltastream.batch.convert import convert
from deltastream.batch.layout import Field
from deltastream.batch.ragged import RaggedRows
from deltastream.errors import NullValueError, SchemaError
from deltastream.fields import FieldSpec
from tests.support.columns import (
    CONTEXT,
    NUMBERS,
    as_number,
    column_memory,
    field_of,
    numbers,
    sliced,
)

WHERE = r"/tables/t version 3, file 'part-0.parquet', row group 1, decode: "


def converted(column: pa.Array, field: Field) -> tuple[AnyArray, Any]:
    values, mask = convert(column, field, 0, column_memory(), CONTEXT)
    assert isinstance(values, np.ndarray)
    if field.dtype is not None:
        # What is promised of the tensor.
        assert values.dtype == field.dtype
        assert values.shape == (len(column), *field.shape)
        assert values.flags.writeable
        assert values.flags.c_contiguous
        torch.from_numpy(values)
    return values, mask


def inside(array: AnyArray, column: pa.Array) -> bool:
    """Whether an array is a view of one of the column's buffers."""
    start, stop = array.ctypes.data, array.ctypes.data + array.nbytes
    return any(
        buffer.address <= start and stop <= buffer.address + buffer.size
        for buffer in column.buffers()
        if buffer is not None
    )


@st.composite
def columns(
    draw: st.DrawFn, values: st.SearchStrategy[Any], type_: pa.DataType, *, min_size: int = 0
) -> tuple[pa.Array, list[Any]]:
    """A part of a longer column, and its values."""
    kept = draw(st.lists(values, min_size=min_size, max_size=20))
    before, after = draw(st.lists(values, max_size=11)), draw(st.lists(values, max_size=3))
    return sliced(kept, type_, before=before, after=after), kept


@pytest.mark.parametrize("name", NUMBERS)
@given(st.data())
def test_numbers_are_what_stands_for_them(name: str, data: st.DataObject) -> None:
    type_ = NUMBERS[name]
    column, kept = data.draw(columns(numbers(type_), type_))
    values, mask = converted(column, field_of(type_))
    assert values.tolist() == [as_number(value, type_) for value in kept]
    assert mask is None


@pytest.mark.parametrize("name", NUMBERS)
@given(st.data())
def test_nulls_become_the_fill_or_0_and_the_mask_marks_them(name: str, data: st.DataObject) -> None:
    type_ = NUMBERS[name]
    column, kept = data.draw(columns(numbers(type_) | st.none(), type_))
    fill = data.draw(st.sampled_from([None, 0, 1]))
    field = field_of(type_, fill_null=fill, null_mask=True)
    values, mask = converted(column, field)
    expected = [fill or 0 if value is None else as_number(value, type_) for value in kept]
    assert values.tolist() == expected
    assert mask.dtype == np.bool_
    assert mask.tolist() == [value is not None for value in kept]
    if fill is not None:
        values, mask = converted(column, field_of(type_, fill_null=fill))
        assert values.tolist() == expected
        assert mask is None


@pytest.mark.parametrize("name", NUMBERS)
def test_a_column_that_a_file_lacks_is_filled_like_any_other_nulls(name: str) -> None:
    # `pa.nulls` shares one buffer between values and bitmap.
    column = pa.nulls(5, NUMBERS[name])
    values, mask = converted(column, field_of(NUMBERS[name], fill_null=1, null_mask=True))
    assert values.tolist() == [1] * 5
    assert mask.tolist() == [False] * 5
    assert column.null_count == 5


@pytest.mark.parametrize("name", [name for name in NUMBERS if name[:7] not in ("bool", "decimal")])
def test_numbers_without_nulls_are_views_of_the_decoded_memory(name: str) -> None:
    stored = pa.array(range(100), pa.int32() if name == "date" else pa.int64())
    column = stored.cast(NUMBERS[name]).slice(13, 50)
    values, _ = converted(column, field_of(NUMBERS[name]))
    assert inside(values, column)


@pytest.mark.parametrize(
    "type_",
    [pa.int64(), pa.bool_(), pa.string(), pa.list_(pa.int64()), pa.binary(), pa.decimal128(20, 0)],
    ids=str,
)
def test_nulls_without_a_rule_are_an_error_that_names_the_column_and_the_rules(
    type_: pa.DataType,
) -> None:
    samples: dict[pa.DataType, list[Any]] = {pa.binary(): [b"a"], pa.list_(pa.int64()): [[1]]}
    column = pa.nulls(3, type_)
    for sample in (None, samples.get(type_)):
        is_tensor = field_of(type_, sample).dtype is not None
        rule = r"fill_null=VALUE\), or null_mask=True" if is_tensor else r"null_mask=True\) keeps"
        message = WHERE + rf"column 'x' has 3 nulls; say what they become: FieldSpec\('x', {rule}"
        with pytest.raises(NullValueError, match=message):
            converted(column, field_of(type_, sample))


def test_a_stacked_columns_fill_is_of_the_common_dtype() -> None:
    schema = pa.schema([("a", pa.float64()), ("b", pa.int32())])
    spec = FieldSpec(["a", "b"], target_name="x", fill_null=0.5)
    (stacked,) = resolve_layout(schema, [spec], row_dicts=False, first_rows=lambda _: {}).fields
    column = pa.array([1, None], pa.int32())
    values, _ = convert(column, stacked, 1, column_memory(keeps=False), CONTEXT)
    assert isinstance(values, np.ndarray)
    assert values.tolist() == [1.0, 0.5]


LISTS = {name: NUMBERS[name] for name in ("bool", "int16", "float64", "date", "decimal(4, 2)")}
ZEROS: dict[str, Any] = {**dict.fromkeys(LISTS, 0), "bool": False, "decimal(4, 2)": Decimal(0)}


@pytest.mark.parametrize("name", LISTS)
@given(st.integers(1, 4), st.data())
def test_lists_of_one_length_are_the_rows_of_a_tensor(
    name: str, length: int, data: st.DataObject
) -> None:
    inner = LISTS[name]
    lists = st.lists(numbers(inner), min_size=length, max_size=length)
    column, kept = data.draw(columns(lists, pa.list_(inner)))
    values, _ = converted(column, field_of(pa.list_(inner), [[ZEROS[name]] * length]))
    assert values.tolist() == [[as_number(value, inner) for value in row] for row in kept]


@pytest.mark.parametrize("name", LISTS)
@given(st.integers(1, 3), st.data())
def test_lists_that_are_null_become_rows_of_the_fill(
    name: str, length: int, data: st.DataObject
) -> None:
    inner = LISTS[name]
    lists = st.none() | st.lists(numbers(inner), min_size=length, max_size=length)
    column, kept = data.draw(columns(lists, pa.list_(inner)))
    field = field_of(pa.list_(inner), [[ZEROS[name]] * length], fill_null=1, null_mask=True)
    values, mask = converted(column, field)
    assert values.tolist() == [
        [1] * length if row is None else [as_number(value, inner) for value in row] for row in kept
    ]
    assert mask.tolist() == [row is not None for row in kept]


@given(st.integers(1, 6), st.booleans(), st.data())
def test_bytes_of_one_length_are_the_rows_of_a_tensor(
    length: int, nulls: bool, data: st.DataObject
) -> None:
    values = st.binary(min_size=length, max_size=length)
    column, kept = data.draw(columns(values | st.none() if nulls else values, pa.binary()))
    field = field_of(pa.binary(), [b"\0" * length], fill_null=7 if nulls else None)
    found, _ = converted(column, field)
    assert found.tolist() == [[7] * length if v is None else list(v) for v in kept]


@given(st.data())
def test_bytes_take_the_shape_that_is_asked_for(data: st.DataObject) -> None:
    column, kept = data.draw(columns(st.binary(min_size=6, max_size=6), pa.binary()))
    found, _ = converted(column, field_of(pa.binary(), decode_numpy_and_apply_shape=(2, 3)))
    assert found.tolist() == [[list(v[:3]), list(v[3:])] for v in kept]


def test_values_of_one_length_are_views_of_the_decoded_memory() -> None:
    lists = pa.array([[i, i + 1] for i in range(20)], pa.list_(pa.int32()))[3:9]
    assert inside(converted(lists, field_of(lists.type, [[0, 0]]))[0], lists)
    data = pa.array([b"abc"] * 20)[3:9]
    assert inside(converted(data, field_of(pa.binary(), [b"abc"]))[0], data)


@pytest.mark.parametrize(
    ("type_", "sample", "column", "found", "row"),
    [
        (pa.list_(pa.int8()), [[1, 2]], [[1, 2], [3], [4, 5]], 1, 1),
        (pa.list_(pa.int8()), [[1, 2]], [[1, 2], [3, 4], [4, 5, 6]], 3, 2),
        (pa.binary(), [b"ab"], [b"", b"ab"], 0, 0),
    ],
    ids=str,
)
def test_a_value_of_another_length_is_an_error_that_says_what_to_do(
    type_: pa.DataType, sample: list[Any], column: list[Any], found: int, row: int
) -> None:
    message = (
        WHERE
        + rf"column 'x' has {found} values in row {row} of this read, and its field takes 2, by"
    )
    with pytest.raises(SchemaError, match=message) as caught:
        converted(sliced(column, type_, before=sample, after=[]), field_of(type_, sample))
    assert "FieldSpec('x', ragged=True)" in str(caught.value)


def test_a_value_of_another_length_is_found_behind_nulls() -> None:
    column = pa.array([[1, 2], None, [3, 4], None, [5]], pa.list_(pa.int8()))
    with pytest.raises(SchemaError, match="has 1 values in row 4 of this read"):
        converted(column, field_of(column.type, [[1, 2]], fill_null=0))


@pytest.mark.parametrize("ragged", [None, True])
def test_nulls_inside_a_list_are_an_error_that_names_the_fill(ragged: bool | None) -> None:
    column = pa.array([[1, 2], [3, None]], pa.list_(pa.int8()))
    message = (
        WHERE + r"the lists of column 'x' have nulls inside, 1 in 'x.element'.*"
        r"FieldSpec\('x', fill_null=VALUE\)"
    )
    for null_mask in (False, True):
        field = field_of(column.type, [[1, 2]], ragged=ragged, null_mask=null_mask)
        with pytest.raises(NullValueError, match=message):
            convert(column, field, 0, column_memory(), CONTEXT)


def test_nulls_inside_a_list_become_the_fill() -> None:
    column = pa.array([[1, 2], None, [3, None]], pa.list_(pa.int8()))
    field = field_of(column.type, [[1, 2]], fill_null=7)
    assert converted(column, field)[0].tolist() == [[1, 2], [7, 7], [3, 7]]
    rows, _ = convert(
        column, field_of(column.type, ragged=True, fill_null=7), 0, column_memory(), CONTEXT
    )
    assert isinstance(rows, RaggedRows)
    assert rows.own_values.tolist() == [1, 2, 3, 7]
    assert rows.lengths.tolist() == [2, 0, 2]


def test_nulls_inside_of_rows_that_are_not_read_are_no_error() -> None:
    column = pa.array([[1, 2], [3, None]], pa.list_(pa.int8()))
    assert converted(column[:1], field_of(column.type, [[1, 2]]))[0].tolist() == [[1, 2]]


@pytest.mark.parametrize("name", LISTS)
@given(st.booleans(), st.data())
def test_lists_of_several_lengths_are_values_end_to_end_and_nulls_are_empty(
    name: str, nulls: bool, data: st.DataObject
) -> None:
    inner = LISTS[name]
    lists = st.lists(numbers(inner), max_size=5)
    column, kept = data.draw(columns(lists | st.none() if nulls else lists, pa.list_(inner)))
    field = field_of(pa.list_(inner), ragged=True, null_mask=nulls)
    rows, mask = convert(column, field, 0, column_memory(), CONTEXT)
    assert isinstance(rows, RaggedRows)
    assert rows.values.dtype == field.dtype
    found = np.split(rows.own_values, rows.offsets[1:-1]) if kept else []
    assert [row.tolist() for row in found] == [
        [as_number(value, inner) for value in row or []] for row in kept
    ]
    assert (mask is not None) == nulls
    assert mask is None or mask.tolist() == [row is not None for row in kept]


def test_lists_of_several_lengths_are_views_of_the_decoded_values() -> None:
    column = pa.array([[1.0] * (i % 4) for i in range(40)], pa.list_(pa.float32()))[5:30]
    rows, _ = convert(column, field_of(column.type, ragged=True), 0, column_memory(), CONTEXT)
    assert isinstance(rows, RaggedRows)
    assert rows.values.flags.writeable
    assert inside(rows.values, column)


@given(st.booleans(), st.data())
def test_bytes_of_several_lengths_are_views_of_the_decoded_memory_that_cannot_be_written(
    nulls: bool, data: st.DataObject
) -> None:
    values = st.binary(max_size=5)
    column, kept = data.draw(columns(values | st.none() if nulls else values, pa.binary()))
    rows, _ = converted(column, field_of(pa.binary(), ragged=True, null_mask=nulls))
    assert rows.tolist() == kept
    for row in rows:
        assert row is None or (type(row) is memoryview and row.readonly)
        assert not row or inside(np.frombuffer(row, np.uint8), column)


OBJECTS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), st.text(max_size=4)),
    "binary": (pa.binary(), st.binary(max_size=4)),
    "decimal(38, 5)": (
        pa.decimal128(38, 5),
        st.integers(-(10**38) + 1, 10**38 - 1).map(
            lambda n: Decimal((n < 0, tuple(map(int, str(abs(n)))), -5))
        ),
    ),
    "list of strings": (pa.list_(pa.string()), st.lists(st.text(max_size=2), max_size=3)),
    "lists of one length of strings": (
        pa.list_(pa.string()),
        st.lists(st.text(max_size=2), min_size=2, max_size=2),
    ),
    "lists of lists": (
        pa.list_(pa.list_(pa.int8())),
        st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=1), min_size=2, max_size=2),
    ),
    "map": (
        pa.map_(pa.string(), pa.int8()),
        st.lists(st.tuples(st.text(max_size=2), st.integers(0, 9)), max_size=2),
    ),
}


@pytest.mark.parametrize("name", OBJECTS)
@given(st.booleans(), st.data())
def test_other_values_are_python_objects_and_none(
    name: str, nulls: bool, data: st.DataObject
) -> None:
    type_, values = OBJECTS[name]
    column, kept = data.draw(columns(values | st.none() if nulls else values, type_))
    found, mask = converted(column, field_of(type_, ragged=True, null_mask=nulls))
    assert found.dtype == np.object_
    assert found.shape == (len(kept),)
    assert found.tolist() == kept
    assert mask is None or mask.tolist() == [value is not None for value in kept]


@pytest.mark.parametrize("type_", [pa.string(), pa.binary()], ids=str)
@given(st.booleans(), st.data())
def test_dictionaries_are_their_values_and_rows_of_one_entry_share_one_object(
    type_: pa.DataType, nulls: bool, data: st.DataObject
) -> None:
    words = ["", "a", "bc", "def"]
    kept = data.draw(st.lists(st.sampled_from([*words, None] if nulls else words), max_size=20))
    offset = data.draw(st.integers(0, len(kept)))
    values = [v.encode() if v is not None and type_ == pa.binary() else v for v in kept]
    column = pa.array(values, type_).dictionary_encode()[offset:]
    found, mask = converted(column, field_of(type_, ragged=True, null_mask=nulls))
    assert found.tolist() == values[offset:]
    assert len({id(value) for value in found}) == len(set(values[offset:]))
    assert mask is None or mask.tolist() == [value is not None for value in values[offset:]]


def test_a_column_of_nothing_but_nulls_is_none_and_its_mask() -> None:
    for type_ in (pa.null(), pa.string(), pa.list_(pa.string()), pa.binary()):
        found, mask = converted(pa.nulls(3, type_), field_of(type_, ragged=True, null_mask=True))
        assert found.tolist() == [None] * 3
        assert mask.tolist() == [False] * 3
