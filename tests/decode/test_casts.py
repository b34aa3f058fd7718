from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from deltastream.decode.casts import find_cast

UTC_US = pa.timestamp("us", "UTC")


def cast(values: list[Any], source: pa.DataType, target: pa.DataType) -> list[Any]:
    convert = find_cast(source, target)
    assert convert is not None
    found = convert(pa.array(values, source))
    assert found.type == target
    return found.to_pylist()


WIDENED = [
    (pa.int8(), pa.int16(), -128),
    (pa.int8(), pa.int32(), -128),
    (pa.int8(), pa.int64(), -128),
    (pa.int16(), pa.int32(), -(2**15)),
    (pa.int16(), pa.int64(), -(2**15)),
    (pa.int32(), pa.int64(), -(2**31)),
    (pa.float32(), pa.float64(), 0.10000000149011612),
    (pa.int8(), pa.float64(), 127),
    (pa.int16(), pa.float64(), 2**15 - 1),
    (pa.int32(), pa.float64(), 2**31 - 1),
    (pa.int8(), pa.decimal128(4, 1), -128),
    (pa.int16(), pa.decimal128(6, 1), -(2**15)),
    (pa.int32(), pa.decimal128(11, 1), -(2**31)),
    (pa.int64(), pa.decimal128(21, 1), -(2**63)),
    (pa.int64(), pa.decimal128(38, 18), -(2**63)),
    (pa.decimal128(10, 2), pa.decimal128(20, 2), Decimal("99999999.99")),
    (pa.decimal128(10, 2), pa.decimal128(20, 5), Decimal("-99999999.99")),
]


@pytest.mark.parametrize(("source", "target", "value"), WIDENED)
def test_a_widened_type_keeps_every_value(
    source: pa.DataType, target: pa.DataType, value: Any
) -> None:
    # Delta PROTOCOL.md, "Supported Type Changes".
    assert cast([value, None], source, target) == [value, None]


def test_a_date_that_became_a_timestamp_ntz_is_midnight() -> None:
    days = [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)]
    moments = [datetime(day.year, day.month, day.day) for day in days]
    assert cast(days, pa.date32(), pa.timestamp("us")) == moments


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "+02:00"])
def test_a_timestamp_of_any_unit_and_zone_is_the_same_instant(unit: str, zone: str | None) -> None:
    instant = datetime(2020, 1, 2, 3, 4, 5)
    values = pa.array([instant], pa.timestamp(unit)).view(pa.timestamp(unit, zone))
    convert = find_cast(values.type, UTC_US)
    assert convert is not None
    assert convert(values).to_pylist() == [instant.replace(tzinfo=UTC)]
    convert = find_cast(values.type, pa.timestamp("us"))
    assert convert is not None
    assert convert(values).to_pylist() == [instant]


@pytest.mark.parametrize(
    ("source", "target", "value"),
    [
        (pa.timestamp("s"), UTC_US, 2**62),
        (pa.timestamp("ms"), UTC_US, -(2**62)),
        (pa.timestamp("ns"), UTC_US, 1001),
        (pa.date32(), pa.timestamp("us"), 2**31 - 1),
        (pa.int64(), pa.int8(), 128),
        (pa.uint64(), pa.int64(), 2**63),
        (pa.int64(), pa.decimal128(5, 2), 1000),
        (pa.decimal128(10, 2), pa.decimal128(10, 1), Decimal("0.01")),
        (pa.decimal256(50, 0), pa.decimal128(38, 0), Decimal(f"{10**38}")),
        (pa.decimal128(38, 0), pa.decimal128(38, 18), Decimal(f"{10**30}")),
        (pa.binary(), pa.string(), b"\xff"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_never_wraps(
    source: pa.DataType, target: pa.DataType, value: Any
) -> None:
    with pytest.raises(pa.ArrowInvalid):
        cast([value], source, target)


def test_an_integer_takes_the_digits_that_its_values_need() -> None:
    assert cast([999], pa.int64(), pa.decimal128(5, 2)) == [Decimal(999)]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (pa.int64(), pa.float64()),
        (pa.int32(), pa.float32()),
        (pa.float64(), pa.float32()),
        (pa.float64(), pa.int64()),
        (pa.string(), pa.int64()),
        (pa.int64(), pa.string()),
        (pa.bool_(), pa.int8()),
        (pa.date32(), UTC_US),
        (pa.date32(), pa.int32()),
        (UTC_US, pa.date32()),
        (pa.int64(), UTC_US),
        (pa.float64(), pa.decimal128(10, 2)),
        (pa.time64("us"), pa.int64()),
    ],
)
def test_types_that_no_table_changes_into_each_other_have_no_cast(
    source: pa.DataType, target: pa.DataType
) -> None:
    assert find_cast(source, target) is None
    assert find_cast(pa.dictionary(pa.int32(), source), target) is None
