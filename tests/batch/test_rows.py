from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deltastream.batch.rows import StoppedError, row_values
from deltastream.errors import SchemaError, TransformError
from deltastream.fields import FieldSpec
from tests.support.columns import CONTEXT, NUMBERS, numbers


def never() -> bool:
    return False


def values_of(column: pa.Array, **options: Any) -> list[Any]:
    return row_values([column], FieldSpec("x", **options), CONTEXT, range(9), never).tolist()


def identity(value: Any) -> Any:
    return value


@pytest.mark.parametrize("name", NUMBERS)
@given(st.data())
def test_a_transform_gets_the_value_as_python_sees_it_and_none_for_a_null(
    name: str, data: st.DataObject
) -> None:
    values = data.draw(st.lists(numbers(NUMBERS[name]) | st.none(), min_size=2, max_size=9))
    column = pa.array(values, NUMBERS[name])[1:]
    assert values_of(column, transform=identity) == values[1:]


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (pa.string(), ["a", None, "b"]),
        (pa.binary(), [b"a", None, b""]),
        (pa.list_(pa.int8()), [[1], None, []]),
        (pa.struct([("a", pa.int8())]), [{"a": 1}, None, {"a": None}]),
        (pa.dictionary(pa.int32(), pa.string()), ["a", None, "a"]),
        (pa.dictionary(pa.int32(), pa.binary()), [b"a", b"a", None]),
    ],
    ids=str,
)
def test_other_values_come_as_python_objects(type_: pa.DataType, values: list[Any]) -> None:
    assert values_of(pa.array([None, *values], type_)[1:], transform=identity) == values


def test_a_transform_is_called_once_per_row_in_order() -> None:
    seen: list[int] = []
    values_of(pa.array(range(50)), transform=seen.append)
    assert seen == list(range(50))


def test_bytes_are_arrays_of_their_shape_that_a_transform_may_write_to() -> None:
    def double(array: Any) -> Any:
        assert array is None or (array.dtype, array.shape) == (np.uint8, (2, 2))
        if array is None:
            return "null"
        array *= 2
        return array.tolist()

    column = pa.array([b"\1\2\3\4", None], pa.binary())
    spec = FieldSpec("x", decode_numpy_and_apply_shape=(2, 2), transform=double)
    assert row_values([column], spec, CONTEXT, range(9), never).tolist() == [
        [[2, 4], [6, 8]],
        "null",
    ]
    assert column.to_pylist() == [b"\1\2\3\4", None]


def test_bytes_of_another_size_than_their_shape_are_an_error() -> None:
    column = pa.array([b"abcd", b"abc"], pa.binary())
    with pytest.raises(SchemaError, match=r"column 'x' has a value of 3 bytes, .* shape \(2, 2\)"):
        values_of(column, decode_numpy_and_apply_shape=(2, 2), transform=identity)


def png(size: tuple[int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (1, 2, 3)).save(data, "PNG")
    return data.getvalue()


def test_images_are_decoded_and_then_transformed() -> None:
    column = pa.array([png((2, 3)), None, png((4, 5))], pa.binary())
    images = values_of(column, load_image_using_pil=True)
    assert [None if image is None else image.size for image in images] == [(2, 3), None, (4, 5)]
    sizes = values_of(
        column, load_image_using_pil=True, transform=lambda image: image and image.getpixel((0, 0))
    )
    assert sizes == [(1, 2, 3), None, (1, 2, 3)]


def test_several_columns_are_one_tuple() -> None:
    columns = [pa.array([1, None]), pa.array(["a", "b"])]
    spec = FieldSpec(["n", "s"], target_name="x", transform=identity)
    assert row_values(columns, spec, CONTEXT, range(9), never).tolist() == [(1, "a"), (None, "b")]


def test_an_error_of_a_transform_names_file_row_and_field_and_keeps_its_cause() -> None:
    spec = FieldSpec("x", transform=lambda value: 10 // value, target_name="quotient")
    message = (
        r"part-0.parquet', row group 1, decode, row 102: field 'quotient': "
        r"its transform raised ZeroDivisionError: "
    )
    with pytest.raises(TransformError, match=message) as caught:
        row_values([pa.array([1, 2, 0, 3])], spec, CONTEXT, range(100, 104), never)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_bytes_that_are_no_image_are_an_error_that_names_the_row() -> None:
    column = pa.array([png((1, 1)), b"no image"], pa.binary())
    with pytest.raises(TransformError, match="row 1: field 'x': the image decoder raised"):
        values_of(column, load_image_using_pil=True)


def test_results_may_be_anything_even_arrays_of_one_shape() -> None:
    found = row_values(
        [pa.array([1, 2])],
        FieldSpec("x", transform=lambda n: np.full(3, n)),
        CONTEXT,
        range(9),
        never,
    )
    assert found.shape == (2,)
    assert [array.tolist() for array in found] == [[1, 1, 1], [2, 2, 2]]


def test_once_stopped_no_further_row_is_transformed() -> None:
    seen: list[int] = []
    spec = FieldSpec("x", transform=seen.append)
    with pytest.raises(StoppedError):
        row_values([pa.array(range(9))], spec, CONTEXT, range(9), lambda: len(seen) == 3)
    assert seen == [0, 1, 2]
