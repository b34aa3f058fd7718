from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.decode import Projection, read_footer
from deltastream.decode.statistics import _orders_bytes, row_group_statistics
from tests.support.columns import CONTEXT, NUMBERS, numbers
from tests.support.files import written


def statistics(source: pa.NativeFile, schema: pa.Schema, *path: str) -> list[dict[str, Any]]:
    footer = read_footer(source, Projection(schema, frozenset()), num_records=None, context=CONTEXT)
    return row_group_statistics(footer, path).to_pylist()


def of_column(column: pa.Array, target: pa.DataType | None = None, **options: Any) -> Any:
    source = written(pa.table({"x": column}), **options)
    found = statistics(source, pa.schema([("x", target or column.type)]), "x")
    return [tuple(entry.values()) for entry in found]


TYPES = NUMBERS | {
    "string": pa.string(),
    "binary": pa.binary(),
    "decimal(38, 10)": pa.decimal128(38, 10),
}


def values_of(type_: pa.DataType) -> st.SearchStrategy[Any]:
    if type_ == pa.string():
        return st.text(st.characters(codec="utf-8"), max_size=90)
    if type_ == pa.binary():
        return st.binary(max_size=90)
    if type_ == pa.decimal128(38, 10):
        # Without arithmetic, which rounds to 28 digits.
        return st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}e-10"))
    return numbers(type_)


@pytest.mark.parametrize("type_", TYPES.values(), ids=list(TYPES))
@given(data=st.data())
def test_no_value_lies_outside_its_row_groups_bounds(
    type_: pa.DataType, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.none() | values_of(type_), max_size=20))
    found = of_column(
        pa.array(rows, type_), row_group_size=4, store_decimal_as_integer=data.draw(st.booleans())
    )
    for i, (low, high, null_count) in enumerate(found):
        group = rows[4 * i : 4 * i + 4]
        assert null_count == group.count(None) or (null_count is None and not group)
        present = [value for value in group if value is not None]
        assert (low is None) == (high is None) == (not present)
        if present:
            # Python compares text by code point, which is the order of its UTF-8.
            assert low <= min(present)
            assert max(present) <= high


def test_bounds_are_of_the_tables_type() -> None:
    utc = pa.timestamp("us", "UTC")
    moment = datetime(2020, 1, 2, 3, 4, 5, 6000)
    assert of_column(pa.array([1, 3], pa.int32()), pa.int64()) == [(1, 3, 0)]
    assert of_column(pa.array([-1, 3], pa.int8()), pa.decimal128(5, 1)) == [
        (Decimal(-1), Decimal(3), 0)
    ]
    assert of_column(pa.array([moment], pa.timestamp("ms")), utc) == [
        (moment.replace(tzinfo=UTC),) * 2 + (0,)
    ]
    assert of_column(pa.array([date(1, 1, 1)]), pa.timestamp("us")) == [
        (datetime(1, 1, 1),) * 2 + (0,)
    ]
    assert of_column(pa.array([b"a", b"b"]), pa.string()) == [("a", "b", 0)]
    assert of_column(pa.array([1, 2**32 - 1], pa.uint32()), pa.int64()) == [(1, 2**32 - 1, 0)]
    assert of_column(pa.array(["b", "a"]).dictionary_encode(), pa.string()) == [("a", "b", 0)]


def test_a_zero_stands_for_both_zeros_and_nan_for_nothing() -> None:
    ((low, high, _),) = of_column(pa.array([0.0, 1.0]))
    assert math.copysign(1, low) == -1
    ((low, high, _),) = of_column(pa.array([-1.0, -0.0]))
    assert math.copysign(1, high) == 1
    assert of_column(pa.array([math.nan, math.nan])) == [(None, None, 0)]


def test_int96_has_no_bounds() -> None:
    column = pa.array([datetime(2020, 1, 1)], pa.timestamp("us"))
    ((low, high, _),) = of_column(column, use_deprecated_int96_timestamps=True)
    assert (low, high) == (None, None)


def test_a_file_without_statistics_says_nothing() -> None:
    assert of_column(pa.array([1, 2]), write_statistics=False) == [(None, None, None)]


def test_fields_of_structs_have_statistics_and_values_in_lists_have_none() -> None:
    rows = [{"a": 1, "l": [1]}, None, {"a": None, "l": [2]}]
    table = pa.table({"s": rows})
    source = written(table)
    assert statistics(source, table.schema, "s", "a") == [{"min": 1, "max": 1, "null_count": 2}]
    nothing = {"min": None, "max": None, "null_count": None}
    assert statistics(source, table.schema, "s", "l") == [nothing]
    assert statistics(source, table.schema, "s") == [nothing]


def test_a_column_that_the_file_lacks_is_null_in_every_row() -> None:
    source = written(pa.table({"s": [{"a": 1}] * 3}), row_group_size=2)
    later = pa.schema(
        [("s", pa.struct([("b", pa.string())])), ("t", pa.struct([("c", pa.int8())]))]
    )
    for path in (("s", "b"), ("t",), ("t", "c")):
        found = statistics(source, later, *path)
        assert [entry["null_count"] for entry in found] == [2, 1]
        assert {entry["min"] for entry in found} == {None}


@pytest.mark.parametrize(
    ("created_by", "known"),
    [
        ("parquet-mr version 1.9.0 (build x)", False),
        ("parquet-mr version 1.10.1 (build x)", True),
        ("parquet-mr version 1.16.0-databricks-0001 (build x)", True),
        ("parquet-mr compatible Photon version 0.2", True),
        ("parquet-mr (build x)", False),
        ("parquet-cpp version 1.2.0", False),
        ("parquet-cpp-arrow version 26.0.0", True),
        ("parquet-rs version 54.0.0", True),
        ("", False),
        (None, False),
    ],
)
def test_bytes_have_bounds_only_by_writers_that_order_them_right(
    created_by: str | None, known: bool
) -> None:
    assert _orders_bytes(created_by) is known


def test_old_files_of_the_corpus_never_have_bounds_that_are_wrong(corpus: Path) -> None:
    checked = 0
    for path in sorted((corpus / "tables").glob("*/**/*.parquet")):
        try:
            file = pq.ParquetFile(path, coerce_int96_timestamp_unit="us")
        except pa.ArrowInvalid:
            # Files that are bad on purpose.
            continue
        for i in range(file.num_row_groups):
            rows = file.read_row_group(i)
            for field in rows.schema:
                if (
                    field.type.num_fields
                    or field.type == pa.null()
                    or rows.schema.names.count(field.name) > 1
                ):
                    continue
                values = rows.column(field.name)
                schema = pa.schema([field.remove_metadata()])
                with pa.memory_map(str(path)) as source:
                    found = statistics(source, schema, field.name)[i]
                assert found["null_count"] in (None, values.null_count)
                present = [v for v in values.to_pylist() if v is not None and v == v]
                if found["min"] is not None and present:
                    checked += 1
                    assert found["min"] <= min(present), (path, field)
                    assert max(present) <= found["max"], (path, field)
    assert checked > 100
