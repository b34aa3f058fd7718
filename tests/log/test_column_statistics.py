from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltastream.log.column_statistics import column_statistics
from deltastream.log.leaves import Leaf
from deltastream.types import FIELD_ID, PHYSICAL_NAME
from tests.support.logs import CHECKPOINT, VECTOR, LogFolder, add, metadata, protocol, read

MS = timedelta(milliseconds=1)
INT_MAX = 2**63 - 1


def stats(least: Any, greatest: Any, nulls: Any = 0, **more: Any) -> str:
    said = {"numRecords": 9, "minValues": {"x": least}, "maxValues": {"x": greatest}}
    return json.dumps(said | {"nullCount": {"x": nulls}} | more, default=str)


def bounds(texts: Sequence[str | None], type_: pa.DataType) -> list[tuple[Any, Any]]:
    counts = pa.array([9] * len(texts), pa.int64())
    (found,) = column_statistics(pa.array(texts, pa.string()), None, counts, [Leaf(("x",), type_)])
    assert found.type.field("min").type == found.type.field("max").type == type_
    return [(one["min"], one["max"]) for one in found.to_pylist()]


def raw(least: str, greatest: str) -> str:
    return f'{{"minValues":{{"x":{least}}},"maxValues":{{"x":{greatest}}}}}'


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        (pa.int8(), raw("-128", "127"), (-128, 127)),
        (pa.int8(), raw("-129", "128"), (None, None)),
        (pa.int64(), raw(f"{-(2**63)}", f"{INT_MAX}"), (-(2**63), INT_MAX)),
        (pa.int64(), raw("9007199254740993", "9007199254740995"), (2**53 + 1, 2**53 + 3)),
        (pa.int64(), raw("1", "9223372036854775808"), (1, None)),
        (pa.int64(), raw("1.0", '"2"'), (None, None)),
        (pa.int32(), raw("true", "[1]"), (None, None)),
        (pa.bool_(), raw("false", "true"), (False, True)),
        (pa.bool_(), raw("0", '"true"'), (None, None)),
        (pa.float32(), raw("-1.5", "1e3"), (-1.5, 1000.0)),
        (pa.float64(), raw('"-Infinity"', '"Infinity"'), (-math.inf, math.inf)),
        (pa.float64(), raw("1", '"NaN"'), (1.0, None)),
        (pa.float64(), raw("-1e300", "1e300"), (-1e300, 1e300)),
        (pa.date32(), raw('"2024-01-02"', '"2024-02-30"'), (date(2024, 1, 2), None)),
        (pa.date32(), raw('"2024-01-02"', "5"), (date(2024, 1, 2), None)),
        (pa.string(), raw('""', '"ü\\n\\"}"'), ("", 'ü\n"}')),
        (pa.string(), raw("5", '"\\ud83d"'), (None, None)),
        (pa.decimal128(5, 2), raw("-1.5", '"999.99"'), (Decimal("-1.50"), Decimal("999.99"))),
        (pa.decimal128(5, 2), raw("1E+1", "1000"), (Decimal("10.00"), None)),
        # As many digits as wrap around in 128 bits.
        (pa.decimal128(38, 0), raw("9" * 39, "1" + "0" * 38 + ".0"), (None, None)),
        (pa.decimal128(38, 2), raw(f'"{"9" * 39}"', "1e99"), (None, None)),
        (pa.binary(), raw('"a"', '"b"'), (None, None)),
        (pa.list_(pa.int64()), raw("1", "2"), (None, None)),
        (pa.null(), raw("1", "2"), (None, None)),
        # No one knows what went wrong in these.
        (pa.int64(), raw("2", "1"), (None, None)),
        (pa.string(), raw('"b"', '"a"'), (None, None)),
    ],
)
def test_a_bound_is_read_exactly_or_is_unknown(
    type_: pa.DataType, text: str, expected: Any
) -> None:
    assert bounds([text], type_) == [expected]
    # Beside texts that Arrow's reader takes, and beside one that it refuses.
    plain = json.dumps({"minValues": {}, "maxValues": None})
    assert bounds([plain, text, plain], type_)[1] == expected
    assert bounds(["null", text, None, ""], type_) == [(None, None), expected, *[(None, None)] * 2]


@pytest.mark.parametrize(
    "text",
    [None, "", "null", "5", "[]", "{", '{"minValues":5}', "not json", '"{}"', "{}{}", "[" * 50_000],
)
def test_malformed_statistics_say_nothing(text: str | None) -> None:
    assert bounds([text, stats(1, 2)], pa.int64()) == [(None, None), (1, 2)]


def test_a_text_cannot_pass_for_two_or_for_its_neighbours() -> None:
    texts = [raw("1", "2") + "\n" + raw("3", "4"), "{", "}", raw("5", "6")]
    assert bounds(texts, pa.int64()) == [(None, None)] * 3 + [(5, 6)]


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_timestamp_was_truncated_to_milliseconds(zone: str | None) -> None:
    type_ = pa.timestamp("us", zone)
    end = "" if zone is None else "Z"
    tzinfo = None if zone is None else UTC
    at = datetime(2024, 1, 2, 3, 4, 5, 678_000, tzinfo)
    text = f'"2024-01-02T03:04:05.678{end}"'
    assert bounds([raw(text, text)], type_) == [(at, at + MS)]
    later = f'"2024-01-02 03:04:05.6789999{end}"'
    micro = timedelta(microseconds=999)
    assert bounds([raw(text, later)], type_) == [(at, at + micro + MS)]


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("between", ["T", " "])
def test_a_timestamp_without_a_fraction_may_have_been_cut_to_its_second(
    zone: str | None, between: str
) -> None:
    at = datetime(2024, 1, 2, 3, 4, 5, 0, None if zone is None else UTC)
    for end in ["" if zone is None else "Z", *([] if zone is None else ["+00:00"])]:
        text = f'"2024-01-02{between}03:04:05{end}"'
        ((least, greatest),) = bounds([raw(text, text)], pa.timestamp("us", zone))
        assert least == at
        assert at + timedelta(microseconds=999_999) <= greatest <= at + timedelta(seconds=1.01)


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        (
            pa.timestamp("us", "UTC"),
            "2024-01-01T00:00:00.000+01:30",
            datetime(2023, 12, 31, 22, 30),
        ),
        # Without its zone an instant is not known; with one a timestamp_ntz is none.
        (pa.timestamp("us", "UTC"), "2024-01-01T00:00:00.000", None),
        (pa.timestamp("us"), "2024-01-01T00:00:00.000Z", None),
        # A date, from before the column was widened.
        (pa.timestamp("us"), "2024-01-01", datetime(2024, 1, 1)),
        (pa.timestamp("us", "UTC"), "10000-01-01T00:00:00Z", None),
        # Calendars and local mean times that no reader goes back to.
        (pa.timestamp("us", "UTC"), "1899-12-31T23:59:59.999Z", None),
        (pa.date32(), "1582-10-14", None),
    ],
)
def test_a_time_that_could_mean_another_is_unknown(
    type_: pa.DataType, text: str, expected: datetime | None
) -> None:
    ((least, _),) = bounds([raw(f'"{text}"', "null")], type_)
    assert (least and least.replace(tzinfo=None)) == expected


def test_zones_had_seconds_that_a_text_has_not() -> None:
    at = datetime(1950, 1, 1, tzinfo=UTC)
    minute = timedelta(minutes=1)
    text = f'"{at.isoformat(timespec="milliseconds")}"'
    assert bounds([raw(text, text)], pa.timestamp("us", "UTC")) == [(at - minute, at + minute + MS)]


def test_a_double_that_was_a_float_lies_within_its_old_bounds() -> None:
    # Written as the float's shortest text; as a double the value is another.
    value = pa.scalar(0.1, pa.float32()).cast(pa.float64()).as_py()
    assert value > 0.1
    assert bounds([raw("0.1", "0.1")], pa.float64()) == [(0.1, value)]


def test_an_integral_decimal_at_the_end_of_int64_may_have_been_any_beyond_it() -> None:
    for type_ in (pa.decimal128(38, 0), pa.decimal128(20, 0)):
        assert bounds([raw(f"{-(2**63)}", "7"), raw("-7", f"{INT_MAX}")], type_) == [
            (None, Decimal(7)),
            (Decimal(-7), None),
        ]
        ((least, greatest),) = bounds([raw(f"{INT_MAX}", f"{INT_MAX}")], type_)
        assert least <= INT_MAX
        assert greatest is None


DECIMALS = st.integers(-(10**38) + 1, 10**38 - 1)


@given(units=DECIMALS, scale=st.integers(0, 18), as_double=st.booleans())
def test_a_decimal_lies_within_its_bounds_also_if_it_was_printed_as_a_double(
    units: int, scale: int, as_double: bool
) -> None:
    value = Decimal(units).scaleb(-scale)
    value = Decimal(f"{units}E-{scale}")
    text = repr(float(units) / 10.0**scale) if as_double else str(value)
    ((least, greatest),) = bounds([raw(text, text)], pa.decimal128(38, scale))
    assert least is None or least <= value
    assert greatest is None or value <= greatest
    if abs(units) < 10**15 and not as_double:
        assert least == greatest == value


TEXTS = st.text(st.characters(codec="utf-8"), max_size=70) | st.text(
    "aé\U0010ffff\uffff😀~", max_size=70
)


@given(value=TEXTS, cut=st.integers(32, 64), tie=st.sampled_from(["", "\U0010ffff", "\x7f"]))
def test_a_string_lies_within_its_bounds_however_they_were_cut(
    value: str, cut: int, tie: str
) -> None:
    # Spark adds the tie-breaker, of those the smallest that is greater than the rest; others add none.
    is_cut = len(value) > cut
    tied = value[:cut] + tie if is_cut and value[cut:] < tie else value[:cut]
    ((least, greatest),) = bounds([stats(value[:cut], tied)], pa.string())
    assert least.encode() <= value.encode()
    assert greatest is None or value.encode() <= greatest.encode()
    if len(value.encode()) < 32:
        assert (least, greatest) == (value, value)


def test_a_long_string_still_bounds() -> None:
    text = "a" * 40
    assert bounds([stats(text, text)], pa.string()) == [(text, "a" * 31 + "\U0010ffff")]
    last = "a" * 31 + "\U0010ffff"
    assert bounds([stats(last, last)], pa.string()) == [(last, "a" * 15 + "\U0010ffff")]
    last = "a" * 15 + "\U0010ffff" * 20
    assert bounds([stats(last, last)], pa.string()) == [(last, None)]


@given(text=st.text("aé\ufffd\uffff😀", max_size=50))
@example(text="a" * 29 + "😀😀 great!")
@example(text="a" * 31 + "😀b")
def test_a_string_that_spark_cut_in_the_middle_of_a_character_still_bounds(text: str) -> None:
    # Delta's `truncateMaxStringAgg`, before 3.0: 32 units of UTF-16, then those above all others, then the greatest.
    units = text.encode("utf-16-be")
    stop = 64
    while units[stop : stop + 2] >= b"\xff\xfd":
        stop += 2
    is_cut = len(units) > 64
    cut = units[:stop].decode("utf-16-be", "surrogatepass") + "\ufffd" if is_cut else text
    cut = cut.encode(errors="replace").decode()
    ((_, greatest),) = bounds([stats("", cut)], pa.string())
    assert greatest is None or greatest.encode() >= text.encode()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["NaN", "a", "", "2024-01-01", "2024-13-01", "5", "0x10", " 1"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
    ),
    max_leaves=3,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "numRecords": JSON_VALUES,
        "minValues": JSON_VALUES | st.fixed_dictionaries({"x": JSON_VALUES}),
        "maxValues": JSON_VALUES | st.fixed_dictionaries({"x": JSON_VALUES}),
        "nullCount": JSON_VALUES | st.fixed_dictionaries({"x": st.integers(-1, 10)}),
        "tightBounds": st.booleans() | JSON_VALUES,
    },
)


def plain_integer(value: Any) -> int | None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return value if is_integer and -(2**63) <= value < 2**63 else None


def plain(document: Any) -> tuple[int | None, int | None, int | None]:
    """What the statistics of a column x of type long say, read with nothing but Python."""

    def member(kind: str) -> int | None:
        inner = document.get(kind)
        return plain_integer(inner.get("x")) if isinstance(inner, dict) else None

    least, greatest, nulls = member("minValues"), member("maxValues"), member("nullCount")
    if least is not None and greatest is not None and least > greatest:
        least = greatest = None
    if nulls is not None and nulls < 0:
        nulls = None
    if document.get("tightBounds") is False and nulls not in (0, 9):
        nulls = None
    return least, greatest, nulls


@given(st.lists(DOCUMENTS | st.none(), max_size=6))
def test_a_column_of_integers_reads_as_plain_python_reads_it(documents: list[Any]) -> None:
    texts = [None if one is None else json.dumps(one) for one in documents]
    counts = pa.array([9] * len(texts), pa.int64())
    leaf = Leaf(("x",), pa.int64())
    (found,) = column_statistics(pa.array(texts, pa.string()), None, counts, [leaf])
    expected = [(None, None, None) if one is None else plain(one) for one in documents]
    assert [(one["min"], one["max"], one["null_count"]) for one in found.to_pylist()] == expected


TYPES = st.sampled_from(
    [
        *[pa.int8(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.date32()],
        *[pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.decimal128(20, 3), pa.binary()],
    ]
)


@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=6), type_=TYPES)
def test_what_a_text_says_does_not_depend_on_its_neighbours(
    documents: list[Any], type_: pa.DataType
) -> None:
    texts = [json.dumps(one) for one in documents]
    assert repr(bounds(texts, type_)) == repr([bounds([text], type_)[0] for text in texts])


def checkpointed(
    log: LogFolder, fields: dict[str, str], values: dict[str, pa.DataType], **parsed: Any
) -> None:
    """Write a checkpoint of one file whose ``stats_parsed`` is `parsed`, with columns of the types `values`."""
    columns = pa.struct(list(values.items()))
    counts = pa.struct([(name, pa.int64()) for name in values])
    kinds = [("numRecords", pa.int64()), ("tightBounds", pa.bool_()), ("nullCount", counts)]
    kinds += [("minValues", columns), ("maxValues", columns)]
    action = CHECKPOINT.field("add").type
    inner = [field for field in action if field.name not in ("stats", "stats_parsed")]
    struct = pa.struct([*inner, pa.field("stats_parsed", pa.struct(kinds))])
    schema = CHECKPOINT.set(0, pa.field("add", struct))
    file = add("a", stats_parsed={"numRecords": 9} | parsed)
    del file["add"]["stats"]
    log.checkpoint(0, protocol(), metadata(fields), file, schema=schema)


def test_statistics_that_are_structs_alone_are_read(tmp_path: Path) -> None:
    values = {"x": pa.int32(), "y": pa.date32(), "z": pa.float32()}
    checkpointed(
        LogFolder(tmp_path),
        # All but z were widened since.
        {"x": "long", "y": "timestamp_ntz", "z": "float", "new": "long"},
        values,
        minValues={"x": 1, "y": date(2024, 1, 1), "z": math.nan},
        maxValues={"x": 2, "y": date(2024, 1, 2), "z": 1.5},
        nullCount={"x": 3, "y": 0, "z": 9},
    )
    found = read(tmp_path, statistics_of=[("x",), ("y",), ("z",), ("new",)]).statistics
    assert found is not None
    assert found.column_names == ["x", "y", "z", "new"]
    (row,) = found.to_pylist()
    assert row["x"] == {"min": 1, "max": 2, "null_count": 3}
    last = datetime(2024, 1, 2) + MS
    assert row["y"] == {"min": datetime(2024, 1, 1), "max": last, "null_count": 0}
    assert row["z"] == {"min": None, "max": 1.5, "null_count": 9}
    assert row["new"] == {"min": None, "max": None, "null_count": None}


def test_timestamps_beyond_nanoseconds_do_not_wrap(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    at = datetime(9999, 1, 1, tzinfo=UTC)
    checkpointed(
        log,
        {"x": "timestamp"},
        {"x": pa.timestamp("us", "UTC")},
        minValues={"x": at},
        maxValues={"x": at},
    )
    path = log.checkpoint_path(0)
    # Spark's older checkpoints have INT96.
    pq.write_table(pq.read_table(path), path, use_deprecated_int96_timestamps=True)
    (row,) = _statistics(tmp_path, ("x",))
    assert (row["min"], row["max"]) == (at, at + MS)


def _statistics(root: Path, path: tuple[str, ...], **options: Any) -> list[dict[str, Any]]:
    found = read(root, statistics_of=[path], **options).statistics
    assert found is not None
    return list(found.column(0).to_pylist())


@pytest.mark.parametrize("in_checkpoint", [False, True])
def test_the_json_goes_before_the_structs_and_either_may_be_absent(
    tmp_path: Path, in_checkpoint: bool
) -> None:
    log = LogFolder(tmp_path)
    actions = [protocol(), metadata({"x": "long"})]
    actions += [add("a", stats=stats(1, 2, 3)), add("b"), add("c", stats="null")]
    log.commit(0, *actions)
    if in_checkpoint:
        log.checkpoint(0, *actions)
        log.commit_path(0).write_text("not read")
    unknown = {"min": None, "max": None, "null_count": None}
    expected = [{"min": 1, "max": 2, "null_count": 3}, unknown, unknown]
    assert _statistics(tmp_path, ("x",)) == expected
    log.commit(1, add("d", modified_ms=1, stats=stats(5, 6)))
    assert _statistics(tmp_path, ("x",))[3] == {"min": 5, "max": 6, "null_count": 0}
    assert read(tmp_path).statistics is None


def test_statistics_go_by_physical_names_through_structs(tmp_path: Path) -> None:
    def field(name: str, type_: Any, number: int) -> dict[str, Any]:
        mapping = {PHYSICAL_NAME.decode(): f"col-{number}", FIELD_ID.decode(): number}
        return {"name": name, "type": type_, "nullable": True, "metadata": mapping}

    inner = {"type": "struct", "fields": [field("b.c", "long", 2), field("d", "long", 3)]}
    mode = {"delta.columnMapping.mode": "name"}
    columns = [field("a", inner, 1), field("col-1", "long", 4)]
    said = {"minValues": {"col-1": {"col-2": 5, "col-9": 1}, "a": {"b.c": 7}}}
    said |= {"nullCount": {"col-1": {"col-2": 1}, "col-4": 2}}
    log = LogFolder(tmp_path)
    file = add("f", stats=json.dumps(said))
    log.commit(0, protocol(2), metadata(columns=columns, configuration=mode), file)
    paths = [
        ("a", "b.c"),
        ("A", "B.C"),
        ("a", "d"),
        ("col-1",),
        ("a",),
        ("a", "x"),
        ("a", "d", "e"),
    ]
    found = read(tmp_path, statistics_of=[*paths, ()]).statistics
    assert found is not None
    rows = [column.to_pylist()[0] for column in found.columns]
    assert rows[0] == rows[1] == {"min": 5, "max": None, "null_count": 1}
    assert rows[3] == {"min": None, "max": None, "null_count": 2}
    for unknown in (rows[2], *rows[4:]):
        assert unknown == {"min": None, "max": None, "null_count": None}


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("long", "5", 5),
        ("string", "a" * 50, "a" * 50),
        ("timestamp", "0001-01-01 00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("double", "0.1", 0.1),
        ("double", "NaN", None),
        ("double", "", None),
    ],
)
def test_the_statistics_of_a_partition_column_are_its_value(
    tmp_path: Path, type_: str, text: str, expected: object
) -> None:
    head = (protocol(), metadata({"x": type_}, partition_columns=["x"]))
    values = {"x": text}
    LogFolder(tmp_path).commit(
        0,
        *head,
        add("a", partitionValues=values),
        add("b", partitionValues=values, stats=stats(1, 2)),
    )
    nulls = (None, 9) if text == "" else (0, 0)
    assert _statistics(tmp_path, ("x",)) == [
        {"min": expected, "max": expected, "null_count": count} for count in nulls
    ]


@pytest.mark.parametrize(("nulls", "expected"), [(0, 0), (9, 9), (4, None), (-1, None)])
def test_loose_statistics_count_no_nulls_but_none_and_all(
    tmp_path: Path, nulls: int, expected: int | None
) -> None:
    log = LogFolder(tmp_path)
    loose = add("a", stats=stats(1, 2, nulls, tightBounds=False), deletionVector=VECTOR)
    log.commit(0, protocol(3, ["deletionVectors"]), metadata({"x": "long"}), loose)
    assert _statistics(tmp_path, ("x",)) == [{"min": 1, "max": 2, "null_count": expected}]


def test_statistics_follow_their_files_into_base_order(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    head = (protocol(), metadata({"x": "long"}))
    adds = [add(f"{i}", modified_ms=i * 7 % 10, stats=stats(i, i)) for i in range(10)]
    log.commit(0, *head, *adds[:3])
    log.checkpoint(0, *head, *adds[:3])
    log.commit(1, *adds[3:])
    found = read(tmp_path, statistics_of=[("x",)])
    assert found.statistics is not None
    least = [one["min"] for one in found.statistics.column(0).to_pylist()]
    assert [str(one) for one in least] == found.files.column("path").to_pylist()


def test_a_table_without_files_has_statistics_without_rows() -> None:
    with tempfile.TemporaryDirectory() as folder:
        LogFolder(Path(folder)).commit(0, protocol(), metadata({"x": "long"}))
        assert _statistics(Path(folder), ("x",)) == []
