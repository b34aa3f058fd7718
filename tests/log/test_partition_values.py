from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import LogCorruptError
from deltastream.log.partition_values import PARTITION_PREFIX, with_partitions
from tests.support.logs import LogFolder, add, metadata, protocol, read


def values_of(folder: Path, type_: str, texts: list[str | None]) -> list[Any]:
    log = LogFolder(folder)
    adds = [
        add(f"{i:03d}", partitionValues={} if text is None else {"p": text})
        for i, text in enumerate(texts)
    ]
    log.commit(0, protocol(), metadata({"x": "long", "p": type_}, partition_columns=["p"]), *adds)
    snapshot = read(folder)
    assert snapshot.partitions.schema.field("p").type == snapshot.schema.field("p").type
    return list(snapshot.partitions.column("p").to_pylist())


@pytest.mark.parametrize(
    ("type_", "parsed"),
    [
        ("string", {"a": "a", " b ": " b ", "null": "null", "ü%20": "ü%20"}),
        ("byte", {"-128": -128, "127": 127}),
        ("short", {"-32768": -32768}),
        ("integer", {"2147483647": 2147483647}),
        ("long", {"-9223372036854775808": -(2**63)}),
        ("float", {"1.5": 1.5, "Infinity": math.inf, "-Infinity": -math.inf}),
        ("double", {"1.0E10": 1e10, "-0.1": -0.1, "4.9E-324": 5e-324}),
        ("boolean", {"true": True, "false": False, "True": True}),
        ("binary", {"abc": b"abc", "ü": "ü".encode()}),
        ("void", {}),
        ("date", {"2024-02-29": date(2024, 2, 29), "0001-01-01": date(1, 1, 1)}),
        (
            "decimal(20,3)",
            {
                "12345678901234567.891": Decimal("12345678901234567.891"),
                "-0.1": Decimal("-0.100"),
                "5": Decimal("5.000"),
            },
        ),
        (
            "timestamp",
            {
                "2024-01-02 03:04:05": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
                "2024-01-02 03:04:05.6": datetime(2024, 1, 2, 3, 4, 5, 600000, tzinfo=UTC),
                "2024-01-02T03:04:05.123456Z": datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
                "2024-01-02 03:04:05.123456000": datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
                "2024-01-02T03:04:05+01:00": datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC),
                "1900-01-01 00:00:00": datetime(1900, 1, 1, tzinfo=UTC),
            },
        ),
        (
            "timestamp_ntz",
            {
                "2024-01-02 03:04:05.000001": datetime(2024, 1, 2, 3, 4, 5, 1),
                "2024-01-02T03:04:05": datetime(2024, 1, 2, 3, 4, 5),
                "9999-12-31 23:59:59.999999": datetime(9999, 12, 31, 23, 59, 59, 999999),
            },
        ),
    ],
)
def test_a_value_is_parsed_to_its_type_and_an_empty_or_missing_one_is_null(
    tmp_path: Path, type_: str, parsed: dict[str, Any]
) -> None:
    texts = [*parsed, "", None, *parsed]
    expected = [*parsed.values(), None, None, *parsed.values()]
    assert values_of(tmp_path, type_, texts) == expected


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        ("timestamp_ntz", ["10000-01-01", "2024-01-02T03", "2024-01-02 03:04"]),
        ("date", ["-9999-12-31", "0000-01-01", "+10000-01-01", "10000-02-29", "2024-1-5"]),
        ("timestamp", ["-9999-12-31 23:59:59.999999", "0000-02-29T00:00:00Z", "10000-1-1 0:0:0.5"]),
        ("timestamp", ["2024-01-02", "-0001-01-01 01:00:00+02:00", "0001-01-01 00:00:00.0000000"]),
        ("timestamp_ntz", ["-0001-01-01 00:00:00", "10000-01-01 00:00:00", "2024-01-02"]),
    ],
)
def test_years_beyond_those_of_python_are_values(
    tmp_path: Path, type_: str, texts: list[str]
) -> None:
    log = LogFolder(tmp_path)
    adds = [add(f"{i}", partitionValues={"p": text}) for i, text in enumerate(texts)]
    log.commit(0, protocol(), metadata({"p": type_}, partition_columns=["p"]), *adds)
    column = read(tmp_path).partitions.column("p")
    # NumPy counts the proleptic Gregorian calendar over any year.
    unit = "D" if type_ == "date" else "us"
    plain = {"-0001-01-01 01:00:00+02:00": "-0002-12-31T23:00:00", "2024-1-5": "2024-01-05"}
    plain |= {"10000-1-1 0:0:0.5": "10000-01-01T00:00:00.5"}
    plain |= {"0001-01-01 00:00:00.0000000": "0001-01-01T00:00:00"}
    expected = [
        np.datetime64(plain.get(text, text).removesuffix("Z").removeprefix("+"), unit)
        for text in texts
    ]
    integers = column.cast(pa.int32() if unit == "D" else pa.int64()).to_pylist()
    assert integers == [int(one.astype(np.int64)) for one in expected]


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("long", "1", 1),
        ("double", "1", 1.0),
        ("decimal(12,2)", "1", Decimal("1.00")),
        ("decimal(20,5)", "-12.34", Decimal("-12.34000")),
        ("decimal(38,18)", "0E-18", Decimal("0E-18")),
        ("decimal(38,18)", "-1.5e+19", Decimal("-15000000000000000000")),
        ("decimal(38,38)", "1E-38", Decimal("1E-38")),
        ("decimal(38,38)", "-0." + "9" * 38, Decimal("-0." + "9" * 38)),
        ("timestamp_ntz", "2024-01-02", datetime(2024, 1, 2)),
    ],
)
def test_a_value_of_the_type_before_a_widening_is_one_of_the_wider_type(
    tmp_path: Path, type_: str, text: str, expected: object
) -> None:
    assert values_of(tmp_path, type_, [text]) == [expected]


def test_not_a_number_is_a_value(tmp_path: Path) -> None:
    (value,) = values_of(tmp_path, "double", ["NaN"])
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("type_", "wrong"),
    [
        ("integer", "1.0"),
        ("integer", "0x10"),
        ("integer", "2147483648"),
        ("integer", " 1"),
        ("byte", "128"),
        ("double", "one"),
        ("boolean", "1"),
        ("date", "2024-13-01"),
        ("date", "20240101"),
        ("decimal(5,2)", "1.234"),
        ("decimal(5,2)", "12345"),
        ("decimal(38,0)", "9" * 39),
        ("decimal(38,0)", "NaN"),
        # Scaled in 128 bits these two wrap around to a number that fits.
        ("decimal(38,18)", "1E+30"),
        ("decimal(38,18)", "-1" + "0" * 30),
        ("decimal(38,18)", "1E-57"),
        ("decimal(38,18)", "1E+1000000000"),
        ("decimal(38,18)", "1E"),
        ("decimal(38,18)", "1_0E2"),
        ("decimal(38,18)", " 1E2"),
        ("timestamp", "yesterday"),
        ("date", "10000-02-30"),
        ("date", "9999999-01-01"),
        ("timestamp", "10000-01-01 24:00:00"),
        ("timestamp", "10000-01-01 00:00:00.1234567"),
        ("timestamp", "9999999-01-01 00:00:00"),
        ("timestamp_ntz", "10000-01-01 00:00:00Z"),
        ("timestamp_ntz", "2024-01-02T03:04:05Z"),
        ("void", "1"),
    ],
)
def test_a_value_of_another_type_is_corrupt_and_names_column_value_and_file(
    tmp_path: Path, type_: str, wrong: str
) -> None:
    with pytest.raises(LogCorruptError) as error:
        values_of(tmp_path, type_, [None, "", wrong, wrong])
    for part in ("'p'", repr(wrong), "file 002"):
        assert part in str(error.value)


def test_a_partition_column_may_have_the_name_of_a_field_of_the_log(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    names = ["path", "nbytes", "dv_id"]
    fields = dict.fromkeys(["x", *names], "string")
    values = {name: name.upper() for name in names}
    log.commit(
        0, protocol(), metadata(fields, partition_columns=names), add("f", partitionValues=values)
    )
    snapshot = read(tmp_path)
    assert snapshot.partitions.to_pylist() == [values]
    assert snapshot.files.column("path").to_pylist() == ["f"]


def test_a_partition_column_without_a_schema_column_is_corrupt(tmp_path: Path) -> None:
    LogFolder(tmp_path).commit(0, protocol(), metadata({"x": "long"}, partition_columns=["y"]))
    with pytest.raises(LogCorruptError, match="'y', which is no column"):
        read(tmp_path)


MAPS = st.lists(
    st.none() | st.dictionaries(st.sampled_from("abc"), st.none() | st.sampled_from(["", "1", "2"]))
)


@given(maps=MAPS, cut=st.integers(0, 5))
def test_values_are_taken_by_name_from_maps_of_any_shape(
    maps: list[dict[str, str | None] | None], cut: int
) -> None:
    pairs = [None if one is None else list(one.items()) for one in maps]
    column = pa.chunked_array([pa.array(pairs, pa.map_(pa.string(), pa.string()))]).slice(cut)
    found = with_partitions(pa.table({"partition_values": column}), ["a", "b"])
    for name in "ab":
        expected = [(one or {}).get(name) for one in maps[cut:]]
        assert found.column(PARTITION_PREFIX + name).to_pylist() == expected


@pytest.mark.parametrize("listed", ["Pa", "pa"])
def test_a_value_is_found_however_its_column_is_spelled(tmp_path: Path, listed: str) -> None:
    maps = [{"Pa": "3"}, {"pa": "4"}, {"PA": None}, {}]
    adds = [add(str(i), partitionValues=values) for i, values in enumerate(maps)]
    columns = metadata({"x": "long", "Pa": "integer"}, partition_columns=[listed])
    LogFolder(tmp_path).commit(0, protocol(), columns, *adds)
    assert read(tmp_path).partitions["Pa"].to_pylist() == [3, 4, None, None]
