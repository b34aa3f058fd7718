"""Arrow columns of every type that has a tensor form, what their tensors must hold, and what conversion needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from deltastream.batch import Layout, resolve_layout
from deltastream.batch.layout import Field
from deltastream.engine.budget import ByteBudget
from deltastream.engine.buffers import BufferPool, ColumnMemory, WindowMemory
from deltastream.fields import FieldSpec
from deltastream.types import FileContext
from tests.support.loops import call_soon

__all__ = [
    "CONTEXT",
    "NUMBERS",
    "as_number",
    "column_memory",
    "field_of",
    "layout_of",
    "numbers",
    "sliced",
    "window_memory",
]

CONTEXT = FileContext("/tables/t", 3, "part-0.parquet", 1, "decode")

NUMBERS: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "decimal(4, 2)": pa.decimal128(4, 2),
    "decimal(18, 0)": pa.decimal128(18, 0),
    "decimal(18, 18)": pa.decimal128(18, 18),
}


def numbers(type_: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of a column of this type, as Python has them."""
    if pa.types.is_boolean(type_):
        return st.booleans()
    if pa.types.is_integer(type_):
        bits = type_.bit_width - pa.types.is_signed_integer(type_)
        return st.integers(-(2**bits) if bits != type_.bit_width else 0, 2**bits - 1)
    if pa.types.is_floating(type_):
        return st.floats(width=32, allow_nan=False)
    if pa.types.is_date(type_):
        return st.dates()
    if pa.types.is_timestamp(type_):
        zone = UTC if type_.tz else None
        return st.datetimes().map(lambda moment: moment.replace(tzinfo=zone))
    limit = 10**type_.precision - 1
    return st.integers(-limit, limit).map(lambda n: Decimal(n).scaleb(-type_.scale))


def as_number(value: Any, type_: pa.DataType) -> int | float | bool:
    """What stands for a value in a tensor."""
    if isinstance(value, Decimal):
        return int(value.scaleb(type_.scale))
    if isinstance(value, datetime):
        zero = datetime(1970, 1, 1, tzinfo=value.tzinfo)
        return (value - zero) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    number: int | float | bool = value
    return number


def sliced(
    values: list[Any], type_: pa.DataType, *, before: list[Any], after: list[Any]
) -> pa.Array:
    """Return `values` as a part of a longer array, as a cut row group is."""
    return pa.array([*before, *values, *after], type_).slice(len(before), len(values))


def layout_of(
    schema: pa.Schema, *specs: FieldSpec, samples: Mapping[str, list[Any]] | None = None
) -> Layout:
    """Resolve some fields; `samples` are the table's first values of list and binary columns."""

    def first_rows(names: list[str]) -> dict[str, pa.Array]:
        given = samples or {}
        return {n: pa.array(given[n], schema.field(n).type) for n in names if n in given}

    return resolve_layout(schema, specs, row_dicts=False, first_rows=first_rows)


def field_of(type_: pa.DataType, sample: list[Any] | None = None, **options: Any) -> Field:
    """Resolve one field ``x`` of a column ``x``."""
    schema = pa.schema([pa.field("x", type_)])
    samples = None if sample is None else {"x": sample}
    return layout_of(schema, FieldSpec("x", **options), samples=samples).fields[0]


def window_memory(*, estimate: int = 0) -> WindowMemory:
    budget = ByteBudget(1 << 40, call_soon=call_soon)
    return WindowMemory(BufferPool(budget), budget.charge(estimate))


def column_memory(*, keeps: bool = True) -> ColumnMemory:
    return ColumnMemory(window_memory(), keeps=keeps)
