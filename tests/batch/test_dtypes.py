from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch.convert import convert
from deltastream.batch.dtypes import bfloat16_bits
from deltastream.errors import OptionError, SchemaError
from deltastream.fields import FieldSpec
from tests.support.columns import CONTEXT, column_memory, field_of, layout_of

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


def tensor(column: pa.Array, dtype: torch.dtype, **options: Any) -> torch.Tensor:
    field = field_of(column.type, dtype=dtype, **options)
    values, _ = convert(column, field, 0, column_memory(), CONTEXT)
    assert isinstance(values, np.ndarray)
    found = torch.from_numpy(values)
    found = found.view(torch.bfloat16) if field.is_bfloat16 else found
    assert found.dtype == dtype
    return found


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_bfloat16_is_rounded_as_torch_rounds(patterns: list[int]) -> None:
    values = np.array(patterns, np.uint32).view(np.float32)
    expected = torch.from_numpy(values).to(torch.bfloat16)
    found = torch.from_numpy(bfloat16_bits(values)).view(torch.bfloat16)
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found[~found.isnan()], expected[~expected.isnan()])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("type_", [pa.float32(), pa.float64(), pa.int16(), pa.bool_()], ids=str)
def test_numbers_become_the_nearest_of_a_floating_dtype(
    type_: pa.DataType, dtype: torch.dtype
) -> None:
    kept = [True, False] if type_ == pa.bool_() else [0, 1, -3, 257, 2049, 32767]
    column = pa.array(kept, type_)
    assert torch.equal(tensor(column, dtype), torch.tensor(kept).to(dtype))


def test_floats_beyond_the_range_of_a_dtype_are_infinite_and_nan_stays() -> None:
    column = pa.array([1e5, -1e5, 65504.0, float("nan")])
    assert str(tensor(column, torch.float16).tolist()) == "[inf, -inf, 65504.0, nan]"
    assert tensor(pa.array([1e300]), torch.bfloat16).tolist() == [float("inf")]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("type_", [pa.int8(), pa.int16(), pa.int32(), pa.int64()], ids=str)
def test_integers_that_a_dtype_holds_stay_what_they_are_and_others_are_an_error(
    type_: pa.DataType, dtype: torch.dtype
) -> None:
    limits = torch.iinfo(dtype)
    own = np.iinfo(type_.to_pandas_dtype())
    kept = [n for n in (limits.min, 0, limits.max) if own.min <= n <= own.max]
    assert tensor(pa.array(kept, type_), dtype).tolist() == kept
    for outside in (limits.min - 1, limits.max + 1):
        if own.min <= outside <= own.max:
            message = rf"column 'x' has the value {outside}, and {str(dtype)[6:]}.*wider dtype"
            with pytest.raises(SchemaError, match=message):
                tensor(pa.array([0, outside, 0], type_), dtype)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=str)
def test_nulls_are_filled_in_the_dtype_that_is_asked_for(dtype: torch.dtype) -> None:
    column = pa.array([1, None, 3], pa.int32())
    assert tensor(column, dtype, fill_null=2).tolist() == [1, 2, 3]
    assert tensor(pa.nulls(2, pa.int32()), dtype, fill_null=2).tolist() == [2, 2]
    if dtype.is_floating_point:
        assert tensor(column, dtype, fill_null=float("nan"))[1].isnan()


@given(st.integers(1, 38), st.data())
def test_decimals_become_the_nearest_float(precision: int, data: st.DataObject) -> None:
    scale = data.draw(st.integers(0, precision))
    limit = 10**precision - 1
    kept = [
        Decimal((n < 0, tuple(map(int, str(abs(n)))), -scale))
        for n in data.draw(st.lists(st.integers(-limit, limit), min_size=1, max_size=9))
    ]
    column = pa.array([*kept, None], pa.decimal128(precision, scale))
    expected = [*map(float, kept), 0.5]
    field = field_of(column.type, decimal="float", fill_null=0.5)
    values, _ = convert(column, field, 0, column_memory(), CONTEXT)
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float64
    assert values.tolist() == expected
    # A floating dtype is enough to ask for it.
    found = tensor(column, torch.float32, fill_null=0.5)
    assert torch.equal(found, torch.tensor(expected, dtype=torch.float64).float())


def test_lists_bytes_and_stacks_take_a_dtype_too() -> None:
    column = pa.array([[1, 2], [3, None]], pa.list_(pa.int64()))
    field = field_of(column.type, [[1, 2]], dtype="float16", fill_null=0.5)
    values, _ = convert(column, field, 0, column_memory(), CONTEXT)
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float16
    assert values.tolist() == [[1, 2], [3, 0.5]]
    pixels = field_of(pa.binary(), decode_numpy_and_apply_shape=(2, 1), dtype=torch.float32)
    values, _ = convert(pa.array([b"\0\xff", b"\1\2"]), pixels, 0, column_memory(), CONTEXT)
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float32
    assert values.tolist() == [[[0], [255]], [[1], [2]]]
    schema = pa.schema([("a", pa.float64()), ("b", pa.int32())])
    (stack,) = layout_of(schema, FieldSpec(["a", "b"], target_name="x", dtype="bfloat16")).fields
    assert (stack.dtype, stack.is_bfloat16, stack.shape) == (np.uint16, True, (2,))


@pytest.mark.parametrize(
    ("type_", "dtype"),
    [(pa.float32(), "int32"), (pa.float64(), "bool"), (pa.int8(), "bool"), (pa.float32(), "uint8")],
    ids=str,
)
def test_a_dtype_that_would_cut_values_is_refused_before_any_batch(
    type_: pa.DataType, dtype: str
) -> None:
    with pytest.raises(OptionError, match=f"field 'x': dtype='{dtype}' would cut"):
        field_of(type_, dtype=dtype)


@pytest.mark.parametrize("type_", [pa.string(), pa.binary(), pa.map_(pa.string(), pa.int8())])
def test_a_dtype_of_values_that_are_no_tensor_is_refused(type_: pa.DataType) -> None:
    with pytest.raises(OptionError, match="field 'x': dtype is for tensors"):
        field_of(type_, dtype="float32")


@pytest.mark.parametrize("fill", [1e5, -1e5])
def test_a_fill_beyond_the_dtypes_range_is_refused(fill: float) -> None:
    with pytest.raises(OptionError, match=r"fill_null=.* is no value of float16"):
        field_of(pa.float32(), dtype="float16", fill_null=fill)


def test_decimal_is_for_decimals() -> None:
    with pytest.raises(OptionError, match="decimal= is for decimals, and 'x' is int8"):
        field_of(pa.int8(), decimal="float")
