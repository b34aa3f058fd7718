"""Random columns of any type that Delta has, and the documented rules for what they become, in plain Python."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from hypothesis import strategies as st

from deltastream.fields import FieldSpec
from tests.support.columns import NUMBERS, as_number

__all__ = ["NoRuleError", "RandomColumn", "columns", "expected_rows", "expected_values", "plain"]

_NUMBERS = [type_ for name, type_ in NUMBERS.items() if name != "uint8"] + [pa.decimal128(30, 4)]
_TENSOR_FORMS = ("offsets", "padded", "nested")


class NoRuleError(Exception):
    """The rules say that there is an error."""


@dataclass(frozen=True)
class RandomColumn:
    """A column and what is asked of it."""

    name: str
    type: pa.DataType
    values: list[Any]
    spec: FieldSpec


def types(depth: int) -> st.SearchStrategy[pa.DataType]:
    """Types at most `depth` levels deep."""
    flat = st.sampled_from([*_NUMBERS, pa.string(), pa.binary()])
    if depth == 0:
        return flat
    inner = types(depth - 1)
    structs = st.lists(inner, min_size=1, max_size=3).map(
        lambda inside: pa.struct([(f"s{i}", type_) for i, type_ in enumerate(inside)])
    )
    lists = st.one_of(st.sampled_from(_NUMBERS), inner).map(pa.list_)
    maps = st.tuples(st.sampled_from([pa.string(), pa.int32()]), inner).map(
        lambda pair: pa.map_(*pair)
    )
    return st.one_of(flat, lists, structs, maps)


def value(type_: pa.DataType, draw: random.Random, nulls: bool, length: int | None) -> Any:
    """Return a value of a type; lists and binary values are of one length, if that is given."""
    if nulls and draw.random() < 0.15:
        return None
    size = draw.randrange(4) if length is None else length
    if pa.types.is_string(type_):
        return "".join(draw.choices("aü\n€", k=draw.randrange(4)))
    if pa.types.is_binary(type_):
        return draw.randbytes(size)
    if pa.types.is_list(type_):
        return [value(type_.value_type, draw, nulls, length) for _ in range(size)]
    if pa.types.is_struct(type_):
        return {field.name: value(field.type, draw, nulls, length) for field in type_}
    if pa.types.is_map(type_):
        keys = {value(type_.key_type, draw, False, None) for _ in range(draw.randrange(3))}
        return [(key, value(type_.item_type, draw, nulls, length)) for key in sorted(keys)]
    return number_of(type_, draw)


def number_of(type_: pa.DataType, draw: random.Random) -> Any:
    """Return a number, often an extreme one."""
    if pa.types.is_boolean(type_):
        return draw.random() < 0.5
    if pa.types.is_floating(type_):
        return draw.choice([0.0, -0.0, float("inf"), 65519.0, 1.00390625, draw.gauss(0, 1e4)])
    if pa.types.is_date(type_):
        return date.fromordinal(draw.randrange(1, date.max.toordinal()))
    if pa.types.is_timestamp(type_):
        moment = datetime.min + timedelta(microseconds=draw.randrange(3 * 10**17))
        return moment.replace(tzinfo=UTC if type_.tz else None)
    if pa.types.is_decimal(type_):
        limit = 10**type_.precision
        digits = str(draw.choice([0, limit - 1, draw.randrange(limit)]))
        return Decimal((draw.randrange(2), tuple(map(int, digits)), -type_.scale))
    limit = 1 << (type_.bit_width - 1)
    return draw.choice([0, -limit, limit - 1, draw.randrange(-limit, limit)])


@st.composite
def columns(draw: st.DrawFn, name: str, num_rows: int) -> RandomColumn:
    """A column of `num_rows` values and a field that takes it, or in rare cases must refuse it."""
    type_ = draw(types(draw(st.integers(0, 3))))
    nulls = draw(st.booleans())
    length = draw(st.none() | st.integers(1, 2))
    source = random.Random(draw(st.integers(0, 1 << 32)))
    rows = pa.array([value(type_, source, nulls, length) for _ in range(num_rows)], type_)
    values = rows.to_pylist()
    is_struct = pa.types.is_struct(type_)
    forms = [None, "list", *(_TENSOR_FORMS if is_struct or has_form(type_) else ())]
    spec = FieldSpec(
        name,
        ragged=draw(st.sampled_from(forms)),
        null_mask=draw(st.sampled_from([nulls, nulls, True])),
        dtype=draw(st.sampled_from([None, "float16", "bfloat16", "float32", "float64"])),
        decimal=draw(st.sampled_from([None, "float"])) if is_struct else None,
        fill_null=draw(st.sampled_from([None, 1])),
    )
    if not is_struct and kind_of(type_, spec, values) == "objects":
        spec = replace(spec, fill_null=None, dtype=None)
    return RandomColumn(name, type_, values, spec)


def has_form(type_: pa.DataType) -> bool:
    """Whether a type's values can be a ragged tensor, whatever they are."""
    if pa.types.is_list(type_):
        return any(type_.value_type.equals(number) for number in _NUMBERS[:-1])
    return bool(pa.types.is_string(type_) or pa.types.is_binary(type_))


def kind_of(type_: pa.DataType, spec: FieldSpec, rows: list[Any]) -> tuple[int, ...] | str | None:
    """Return the shape of one row, None where it is ragged, or "objects"."""
    form = spec.ragged in _TENSOR_FORMS
    if pa.types.is_string(type_):
        return None if form else "objects"
    if pa.types.is_binary(type_):
        if form:
            return None
        (length,) = lengths(rows, 1)
        return "objects" if length is None or spec.ragged == "list" else (length,)
    depth, inner = 0, type_
    while pa.types.is_list(inner):
        depth, inner = depth + 1, inner.value_type
    floats = spec.decimal == "float" or spec.dtype is not None
    if pa.types.is_nested(inner) or pa.types.is_string(inner) or pa.types.is_binary(inner):
        return "objects"
    if pa.types.is_decimal(inner) and inner.precision > 18 and not floats:
        return "objects"
    shape = lengths(rows, depth)
    if None in shape[1:]:
        return "objects"
    if depth and (spec.ragged is not None or shape[0] is None):
        return None
    return shape  # type: ignore[return-value]


def lengths(rows: list[Any], depth: int) -> tuple[int | None, ...]:
    found: list[int | None] = []
    for _ in range(depth):
        rows = [row for row in rows if row is not None]
        sizes = {len(row) for row in rows}
        found.append(sizes.pop() if len(sizes) == 1 and sizes != {0} else None)
        if rows and not isinstance(rows[0], bytes):
            rows = [value for row in rows for value in row]
    return tuple(found)


def expected_rows(column: RandomColumn, rows: list[Any]) -> dict[str, list[Any]]:
    """Return what the column's field, and its mask, must hold; `rows` are its values as `to_pylist` gives them.

    Raises:
        NoRuleError: A null has no rule.
    """
    return expected_values(column.spec.target, column.type, rows, column.spec)


def expected_values(
    key: str, type_: pa.DataType, rows: list[Any], spec: FieldSpec
) -> dict[str, list[Any]]:
    mask = {f"{key}_mask": [row is not None for row in rows]} if spec.null_mask else {}
    if pa.types.is_struct(type_):
        inside: dict[str, list[Any]] = {}
        for field in type_:
            below = [None if row is None else row[field.name] for row in rows]
            inside |= expected_values(field.name, field.type, below, spec)
        dicts = [dict(zip(inside, row, strict=True)) for row in zip(*inside.values(), strict=True)]
        return {key: dicts, **mask}
    kind = kind_of(type_, spec, rows)
    if kind == "objects":
        if None in rows and not spec.null_mask:
            raise NoRuleError
        return {key: rows, **mask}
    if None in rows and not spec.null_mask and spec.fill_null is None:
        raise NoRuleError
    return {key: [tensor_row(row, type_, spec, kind) for row in rows], **mask}


def tensor_row(row: Any, type_: pa.DataType, spec: FieldSpec, kind: Any) -> Any:
    if row is None and kind is None:
        return None if spec.ragged in (None, "list") and spec.null_mask else []
    if row is None:
        fill = as_dtype(spec.fill_null or 0, spec)
        return np.full(kind, fill, object).tolist()
    if isinstance(row, str):
        row = row.encode()
    if isinstance(row, bytes):
        return [as_dtype(byte, spec) for byte in row]
    if pa.types.is_list(type_):
        return [element(value, type_.value_type, spec, kind) for value in row]
    return number(row, type_, spec)


def element(value: Any, type_: pa.DataType, spec: FieldSpec, kind: Any) -> Any:
    if value is None and spec.fill_null is None:
        raise NoRuleError
    if value is not None:
        return tensor_row(value, type_, spec, kind)
    if pa.types.is_list(type_):
        # Of the same shape as its neighbours: the caller looks at no more than that it is filled.
        return ANY_FILL
    return as_dtype(spec.fill_null or 0, spec)


class _AnyFill:
    """Equal to a list of whatever shape that is filled with 1."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and all(value == 1 or self == value for value in other)

    __hash__ = None  # type: ignore[assignment]


ANY_FILL = _AnyFill()


def number(value: Any, type_: pa.DataType, spec: FieldSpec) -> int | float | bool:
    if pa.types.is_decimal(type_) and (spec.decimal == "float" or spec.dtype is not None):
        return as_dtype(float(value), spec)
    return as_dtype(as_number(value, type_), spec)


def as_dtype(value: int | float | bool, spec: FieldSpec) -> int | float | bool:
    """Return the number that `value` is in the field's dtype."""
    if spec.dtype is None:
        return value
    with np.errstate(over="ignore"):
        array = np.array(value)
        if spec.dtype == "bfloat16":
            rounded: float = torch.tensor(array.astype(np.float32)).to(torch.bfloat16).item()
            return rounded
        found: float = array.astype(str(spec.dtype)).item()
    return found


def plain(value: Any) -> Any:
    """Return a row's value without tensors and memoryviews."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, dict):
        return {name: plain(inside) for name, inside in value.items()}
    return value
