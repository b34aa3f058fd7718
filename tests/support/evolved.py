"""Draws columns that differ between a table and a file of it, at every depth, and says what reading them must give.

What is expected is worked out on Python values, without Arrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from deltastream.types import FIELD_ID, PHYSICAL_NAME

__all__ = ["Evolved", "evolved_columns"]


@dataclass(frozen=True)
class Evolved:
    """One type: as the table has it and as the file has it, values of the file, and what they are in the table."""

    table: pa.DataType
    file: pa.DataType
    values: st.SearchStrategy[Any]
    expect: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10**precision - 1
    return st.integers(-limit, limit).map(lambda n: Decimal(n).scaleb(-scale))


def _milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
_MOMENTS = st.datetimes()
_INSTANTS = _MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))
_UTC = pa.timestamp("us", "UTC")


def _as_instant(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _as_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


_LEAVES = [
    *(Evolved(pa.int64(), pa.int32(), _whole(32), _same) for _ in range(2)),
    Evolved(pa.int64(), pa.int64(), _whole(64), _same),
    Evolved(pa.int8(), pa.int32(), _whole(8), _same),
    Evolved(pa.int16(), pa.int8(), _whole(8), _same),
    Evolved(pa.int64(), pa.uint32(), st.integers(0, 2**32 - 1), _same),
    Evolved(pa.float64(), pa.float32(), st.floats(width=32, allow_nan=False), _same),
    Evolved(pa.float64(), pa.int32(), _whole(32), float),
    Evolved(pa.bool_(), pa.bool_(), st.booleans(), _same),
    Evolved(pa.decimal128(20, 4), pa.decimal128(10, 2), _decimals(10, 2), _same),
    Evolved(pa.decimal128(4, 1), pa.int8(), _whole(8), Decimal),
    Evolved(pa.decimal128(20, 0), pa.int64(), _whole(64), Decimal),
    Evolved(pa.decimal128(10, 2), pa.decimal256(40, 2), _decimals(10, 2), _same),
    Evolved(pa.date32(), pa.date32(), st.dates(), _same),
    Evolved(pa.timestamp("us"), pa.date32(), st.dates(), _as_midnight),
    Evolved(pa.timestamp("us"), pa.timestamp("us"), _MOMENTS, _same),
    Evolved(_UTC, pa.timestamp("us"), _MOMENTS, _as_instant),
    Evolved(_UTC, pa.timestamp("ms", "UTC"), _INSTANTS.map(_milliseconds), _same),
    Evolved(pa.string(), pa.string(), _TEXT, _same),
    Evolved(pa.string(), pa.large_string(), _TEXT, _same),
    Evolved(pa.string(), pa.binary(), _TEXT.map(str.encode), bytes.decode),
    Evolved(pa.binary(), pa.binary(3), st.binary(min_size=3, max_size=3), _same),
]


@st.composite
def evolved_columns(draw: st.DrawFn, column_mapping: str) -> Evolved:
    """Draw a struct whose children are the columns of a table."""
    return _draw_struct(draw, column_mapping, iter(range(10**6)), depth=3)


def _draw(draw: st.DrawFn, mapping: str, ids: Any, depth: int) -> Evolved:
    kind = draw(st.sampled_from(["leaf", "leaf", "struct", "list", "map"] if depth else ["leaf"]))
    if kind == "leaf":
        return draw(st.sampled_from(_LEAVES))
    if kind == "struct":
        return _draw_struct(draw, mapping, ids, depth - 1)
    value = _draw(draw, mapping, ids, depth - 1)
    if kind == "list":
        return _list_of(value, draw(st.sampled_from([pa.list_, pa.large_list])))
    return _map_of(value)


def _list_of(element: Evolved, file_list: Callable[[pa.Field], pa.DataType]) -> Evolved:
    def expect(values: list[Any] | None) -> list[Any] | None:
        return None if values is None else [_null_or(element, v) for v in values]

    return Evolved(
        pa.list_(pa.field("element", element.table)),
        file_list(pa.field("item", element.file)),
        st.lists(st.none() | element.values, max_size=3),
        expect,
    )


def _map_of(value: Evolved) -> Evolved:
    def expect(pairs: list[tuple[Any, Any]] | None) -> list[tuple[Any, Any]] | None:
        return None if pairs is None else [(k, _null_or(value, v)) for k, v in pairs]

    return Evolved(
        pa.map_(pa.int64(), pa.field("value", value.table)),
        pa.map_(pa.field("k", pa.int32(), False), pa.field("v", value.file)),
        st.lists(st.tuples(_whole(32), st.none() | value.values), max_size=3),
        expect,
    )


def _draw_struct(draw: st.DrawFn, mapping: str, ids: Any, depth: int) -> Evolved:
    """Draw a struct; some children only the table has (added later), some only the file (dropped, or not wanted)."""
    places = draw(st.lists(st.sampled_from(["both", "both", "table", "file"]), max_size=5))
    places += ["table"] * ("file" in places and not {"both", "table"} & {*places})
    places += ["both"] * (not {"both", "file"} & {*places})
    table_fields, file_fields, found = [], [], {}
    strategies: dict[str, st.SearchStrategy[Any]] = {}
    for place in places:
        child, id_ = _draw(draw, mapping, ids, depth), next(ids)
        name = draw(st.sampled_from(["a", "a.b", "é"])) + str(id_)
        # none: the name but for case; name: the physical name; id: the physical name of another column.
        physical = f"col-{id_}"
        file_name = {
            "none": draw(st.sampled_from([name, name.upper()])),
            "name": physical,
            "id": f"col-{id_ + 1}",
        }[mapping]
        metadata = {PHYSICAL_NAME: physical.encode(), FIELD_ID: str(id_).encode()}
        if place != "file":
            found[name] = (file_name if place == "both" else None, child)
            table_fields.append(
                pa.field(name, child.table, metadata=None if mapping == "none" else metadata)
            )
        if place != "table":
            strategies[file_name] = st.none() | child.values
            file_id = {b"PARQUET:field_id": str(id_).encode()} if mapping == "id" else None
            file_fields.append(pa.field(file_name, child.file, metadata=file_id))

    def expect(value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        return {
            name: None if file_name is None else _null_or(child, value[file_name])
            for name, (file_name, child) in found.items()
        }

    return Evolved(
        pa.struct(table_fields),
        pa.struct(draw(st.permutations(file_fields))),
        st.fixed_dictionaries(strategies),
        expect,
    )


def _null_or(child: Evolved, value: Any) -> Any:
    return None if value is None else child.expect(value)
