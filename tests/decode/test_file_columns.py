from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.decode import Projection, decode_first_rows, read_footer
from deltastream.decode.arrow_types import plain_type
from deltastream.decode.row_group import _dictionaries
from deltastream.errors import FileCorruptError, UnsupportedFeatureError
from deltastream.types import FIELD_ID, PHYSICAL_NAME, VARIANT_PART, FileContext
from tests.support.decoding import decode_row_group
from tests.support.evolved import evolved_columns
from tests.support.files import written

OPTIONAL_KEYS = (
    "c-noCO>4qH5QZm{xK;2vOBQknVitucTCjNNr5CZ{A>=H`A`42Zrm?2<Z}boAY<f^A^e|sL@3T9z*-Jhqpe}V&5}X"
    "JU5da{Y0H3}803HX!y$*H$7g3;A69~m=v$cCe2onswiqK_2*m|?y>&m>JEd@aB1Vf)s5?H#s2)S<5U64XWD%B8CT"
    "O|V2)T?f+V~8bkAs4#&8u2&`!?Q%CSvy0l=W;aurGH<j`MI3y{Koh1Y5C(xp_?3_7Z;}dINQ&`rYHucERSDtWy{m"
    "<c!(dLhNIzFrM!UK;lh^je_jD0aWyX"
)
CONTEXT = FileContext("table", 3, "part-0.parquet", None, "decode")


def decoded(
    source: pa.NativeFile, projection: Projection, cut: int = 1 << 30, **partition: pa.Scalar
) -> pa.Table:
    """Decode a file, every row group in pieces of `cut` rows."""
    footer = read_footer(source, projection, num_records=None, context=CONTEXT)
    schema = pa.schema([pa.field(f.name, plain_type(f.type)) for f in projection.schema])
    tables = [schema.empty_table()]
    for row_group, num_rows in enumerate(footer.sizes.num_rows.tolist()):
        for start in range(0, max(num_rows, 1), cut):
            columns = decode_row_group(
                source,
                footer,
                row_group,
                partition,
                rows=range(start, min(start + cut, num_rows)),
                context=CONTEXT,
            )
            for name, column in columns.items():
                column.validate(full=True)
                # Names of elements, keys and values among it, and no metadata.
                assert column.type.equals(schema.field(name).type, check_metadata=True)
            tables.append(pa.Table.from_arrays(list(columns.values()), schema=schema))
    return pa.concat_tables(tables)


@pytest.mark.parametrize("mapping", ["none", "name", "id"])
@given(data=st.data())
def test_a_file_reads_as_the_table_however_its_columns_differ(
    mapping: str, data: st.DataObject
) -> None:
    columns = data.draw(evolved_columns(mapping))
    rows = data.draw(st.lists(columns.values, max_size=12))
    table = pa.Table.from_batches(
        [pa.RecordBatch.from_struct_array(pa.array(rows, columns.file))],
        pa.schema(list(columns.file)),
    )
    source = written(
        table,
        row_group_size=data.draw(st.integers(1, 12)),
        store_schema=data.draw(st.booleans()),
        use_dictionary=data.draw(st.booleans()),
        use_deprecated_int96_timestamps=data.draw(st.booleans()),
    )
    projection = Projection(pa.schema(list(columns.table)), frozenset(), column_mapping=mapping)
    found = decoded(source, projection, cut=data.draw(st.integers(1, 12)))
    assert found.to_pylist(maps_as_pydicts=None) == [columns.expect(row) for row in rows]
    first = decode_first_rows(source, projection, 5, CONTEXT, None)
    for name, values in first.items():
        assert values.to_pylist() == found[name].to_pylist()[: len(values)]


def read(table: pa.Table, schema: pa.Schema, mapping: str = "none", **options: Any) -> pa.Table:
    projection = Projection(schema, frozenset(), column_mapping=mapping)
    return decoded(written(table, **options), projection)


def test_only_the_wanted_leaves_are_read() -> None:
    deep = [{"l": [{"x": 1, "y": "a"}], "m": [("k", {"x": 2, "z": [b"long"]})]}]
    element = pa.struct([("x", pa.int64()), ("y", pa.string())])
    value = pa.struct([("x", pa.int64()), ("z", pa.list_(pa.binary()))])
    type_ = pa.struct([("l", pa.list_(element)), ("m", pa.map_(pa.string(), value))])
    table = pa.table({"a.b": [1], "a": [{"b": "text", "c": 1.5}], "s": pa.array(deep, type_)})
    x = pa.struct([("x", pa.int64())])
    wanted = pa.schema(
        [
            ("s", pa.struct([("m", pa.map_(pa.string(), x)), ("l", pa.list_(x))])),
            ("a", pa.struct([("b", pa.string())])),
        ]
    )
    source = written(table)
    projection = Projection(wanted, frozenset())
    footer = read_footer(source, projection, num_records=None, context=CONTEXT)
    row_group = footer.metadata.row_group(0)
    assert [row_group.column(leaf).path_in_schema for leaf in footer.columns.leaves] == [
        "a.b",
        "s.l.list.element.x",
        "s.m.key_value.key",
        "s.m.key_value.value.x",
    ]
    assert footer.columns.leaves[0] == 1  # not the column of that name
    assert decoded(source, projection).to_pylist() == [
        {"s": {"m": [("k", {"x": 2})], "l": [{"x": 1}]}, "a": {"b": "text"}}
    ]


def test_a_struct_without_any_wanted_child_keeps_its_nulls() -> None:
    old = pa.struct([("text", pa.string()), ("n", pa.int32())])
    table = pa.table(
        {
            "s": pa.array([{"n": 1}, None], old),
            "l": pa.array([[{"n": 1}, None], None], pa.list_(old)),
            "m": pa.array([[("k", {"n": 1}), ("j", None)], []], pa.map_(pa.string(), old)),
        }
    )
    new = pa.struct([("later", pa.string())])
    wanted = pa.schema([("s", new), ("l", pa.list_(new)), ("m", pa.map_(pa.string(), new))])
    assert read(table, wanted).to_pylist() == [
        {
            "s": {"later": None},
            "l": [{"later": None}, None],
            "m": [("k", {"later": None}), ("j", None)],
        },
        {"s": None, "l": None, "m": []},
    ]


def test_rows_come_from_the_footer_where_no_column_comes_from_the_file() -> None:
    table = pa.table({"x": [1, 2, 3]})
    wanted = pa.schema([("p", pa.string()), ("later", pa.int64()), ("void", pa.null())])
    projection = Projection(wanted, frozenset({"p"}))
    source = written(table, row_group_size=2)
    row = {"p": "a", "later": None, "void": None}
    assert decoded(source, projection, p=pa.scalar("a")).to_pylist() == [row] * 3
    assert read_footer(source, projection, num_records=3, context=CONTEXT).sizes.nbytes.sum() == 0


@pytest.mark.parametrize("wanted", [pa.schema([("x", pa.int64())]), pa.schema([("y", pa.int64())])])
def test_a_file_without_rows_reads_as_no_rows(wanted: pa.Schema) -> None:
    assert read(pa.table({"x": pa.array([], pa.int32())}), wanted).num_rows == 0
    sink = BytesIO()
    pq.ParquetWriter(sink, pa.schema([("x", pa.int32())])).close()
    source = pa.BufferReader(sink.getvalue())
    assert decoded(source, Projection(wanted, frozenset())).num_rows == 0
    assert decode_first_rows(source, Projection(wanted, frozenset()), 5, CONTEXT, None).keys() <= {
        "x"
    }


def test_a_null_in_a_column_that_is_not_nullable_is_read_as_it_is() -> None:
    table = pa.table({"s": pa.array([{"x": None}, None], pa.struct([("x", pa.int32())]))})
    inner = pa.struct([pa.field("x", pa.int64(), False), pa.field("later", pa.string(), False)])
    found = Projection(pa.schema([pa.field("s", inner, False)]), frozenset())
    footer = read_footer(written(table), found, num_records=2, context=CONTEXT)
    columns = decode_row_group(written(table), footer, 0, {}, rows=range(2), context=CONTEXT)
    assert columns["s"].to_pylist() == [{"x": None, "later": None}, None]


def test_a_flat_column_of_the_tables_type_is_not_rebuilt() -> None:
    table = pa.table({"x": [1, 2]})
    source = written(table)
    footer = read_footer(
        source, Projection(table.schema, frozenset()), num_records=2, context=CONTEXT
    )
    decoded_column = pa.array([1, 2])
    found = footer.columns.conform(["x"], {0: decoded_column}, {}, 2, CONTEXT)
    assert found["x"] is decoded_column


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}])
def test_instants_in_int96_are_right_in_every_year(options: dict[str, Any]) -> None:
    moments = [
        datetime(year, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
        for year in (1, 99, 1582, 1677, 1900, 1970, 2262, 2263, 9999)
    ]
    utc = pa.timestamp("us", "UTC")
    table = pa.table(
        {
            "t": pa.array(moments, utc),
            "s": pa.array([{"t": moment} for moment in moments], pa.struct([("t", utc)])),
            "l": pa.array([[moment, None] for moment in moments], pa.list_(utc)),
            "m": pa.array([[("k", moment)] for moment in moments], pa.map_(pa.string(), utc)),
        }
    )
    found = read(
        table, table.schema, use_deprecated_int96_timestamps=True, store_schema=False, **options
    )
    assert found.to_pylist() == table.to_pylist()


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        (pa.array(["1"]), pa.int64()),
        (pa.array([[1]]), pa.int64()),
        (pa.array([1]), pa.list_(pa.int64())),
        (pa.array([{"a": 1}]), pa.map_(pa.string(), pa.int64())),
        (pa.array([{"a": 1}]), pa.struct([("a", pa.string())])),
        (pa.array([[300]]), pa.list_(pa.field("element", pa.int8()))),
    ],
)
def test_a_type_that_does_not_become_the_tables_is_refused_by_name(
    file: pa.Array, wanted: pa.DataType
) -> None:
    with pytest.raises(FileCorruptError, match=r"part-0\.parquet.*column 'col") as caught:
        read(pa.table({"col": file}), pa.schema([("col", wanted)]))
    assert "int" in str(caught.value) or "string" in str(caught.value)


def test_what_is_refused_inside_a_column_is_named_by_its_path() -> None:
    wanted = pa.list_(pa.struct([("x", pa.int8())]))
    with pytest.raises(FileCorruptError, match=r"'col\.element\.x' is int64 .* int8"):
        read(pa.table({"col": [[{"x": 300}]]}), pa.schema([("col", wanted)]))


def test_a_file_without_field_ids_is_refused_where_columns_go_by_id() -> None:
    wanted = pa.schema([pa.field("x", pa.int64(), metadata={FIELD_ID: b"1"})])
    with pytest.raises(FileCorruptError, match="no field ids"):
        read(pa.table({"x": [1]}), wanted, "id")


def test_columns_that_cannot_be_told_apart_are_refused() -> None:
    table = pa.table({"ID": [1], "Id": [2]})
    with pytest.raises(FileCorruptError, match="'ID', 'Id'"):
        read(table, pa.schema([("id", pa.int64())]))
    assert read(table, pa.schema([("Id", pa.int64())])).to_pylist() == [{"Id": 2}]


VARIANT = pa.struct(
    [
        pa.field(name, pa.binary(), False, metadata={VARIANT_PART: b""})
        for name in ("metadata", "value")
    ]
)


@pytest.mark.parametrize("mapping", ["none", "name", "id"])
def test_a_variant_is_read_as_it_is_stored(mapping: str) -> None:
    metadata = {PHYSICAL_NAME: b"v", FIELD_ID: b"7"}
    in_file = pa.field(
        "v",
        pa.struct([("value", pa.binary()), ("metadata", pa.binary())]),
        metadata={b"PARQUET:field_id": b"7"},
    )
    rows = [{"metadata": b"m", "value": b"v"}, None]
    table = pa.table([pa.array(rows, in_file.type)], schema=pa.schema([in_file]))
    wanted = pa.schema([pa.field("v", VARIANT, metadata=metadata)])
    assert read(table, wanted, mapping)["v"].to_pylist() == rows


@pytest.mark.parametrize("parts", [["value", "metadata"], ["value"]])
def test_a_shredded_variant_is_refused_by_name(parts: list[str]) -> None:
    rows = [[{"metadata": b"m", "value": None, "typed_value": 1}]]
    wanted = pa.struct([VARIANT.field(part) for part in parts])
    with pytest.raises(UnsupportedFeatureError, match=r"part-0\.parquet.*'vs\.element'"):
        read(pa.table({"vs": rows}), pa.schema([("vs", pa.list_(wanted))]))


@pytest.mark.parametrize("parts", [["value", "metadata"], ["value"]])
def test_a_struct_that_looks_like_a_shredded_variant_is_none(parts: list[str]) -> None:
    rows = [{"metadata": b"m", "value": b"v", "typed_value": 1}]
    wanted = pa.schema([("s", pa.struct([(part, pa.binary()) for part in parts]))])
    found = read(pa.table({"s": rows}), wanted)["s"].to_pylist()
    assert found == [{part: rows[0][part] for part in parts}]


@pytest.mark.parametrize(
    "element",
    [pa.list_(pa.int32()), pa.struct([("a", pa.int32())]), pa.map_(pa.string(), pa.int32())],
    ids=str,
)
def test_a_file_whose_lists_have_no_value_gives_them_no_type(element: pa.DataType) -> None:
    rows = [[None], [], None]
    in_file = pa.table({"v": pa.array(rows, pa.list_(pa.null()))})
    assert read(in_file, pa.schema([("v", pa.list_(element))]))["v"].to_pylist() == rows
    pairs = [[("x", None)], [], None]
    in_file = pa.table({"v": pa.array(pairs, pa.map_(pa.string(), pa.null()))})
    wanted = pa.schema([("v", pa.map_(pa.string(), element))])
    assert read(in_file, wanted)["v"].to_pylist() == pairs


@pytest.mark.parametrize(
    "outer", [pa.large_list, pa.list_view, pa.large_list_view, lambda inner: pa.list_(inner, 2)]
)
@pytest.mark.parametrize("inner", [pa.list_(pa.null()), pa.map_(pa.string(), pa.null())], ids=str)
def test_lists_of_any_kind_may_have_lists_without_a_value_in_them(
    outer: Any, inner: pa.DataType
) -> None:
    value = [("k", None)] * 2 if pa.types.is_map(inner) else [None, None, None]
    rows = [[value, value], None, [value, value]]
    target = pa.map_(pa.string(), pa.int32()) if pa.types.is_map(inner) else pa.list_(pa.int32())
    array = pa.array(rows, outer(inner))
    found = read(pa.table({"v": array}), pa.schema([("v", pa.list_(target))]))
    assert found["v"].to_pylist() == rows


def test_a_map_whose_keys_may_be_null_is_refused_by_name() -> None:
    # A file as Trino wrote it before 386, in its smallest form.
    source = pa.BufferReader(zlib.decompress(base64.b85decode(OPTIONAL_KEYS)))
    wanted = Projection(pa.schema([("v", pa.map_(pa.string(), pa.int32()))]), frozenset())
    with pytest.raises(UnsupportedFeatureError, match=r"part-0\.parquet.*keys are optional"):
        read_footer(source, wanted, num_records=None, context=CONTEXT)
    with pytest.raises(UnsupportedFeatureError, match=r"part-0\.parquet.*keys are optional"):
        decode_first_rows(source, wanted, 5, CONTEXT)


def test_text_is_decoded_as_a_dictionary_where_it_was_asked_for_and_only_there() -> None:
    table = pa.table({"a.b": ["x"] * 9, "a": ["x"] * 9, "b": ["x"] * 9, "c": [b"x"] * 9})
    schema = pa.schema([(name, pa.string()) for name in table.column_names])
    projection = Projection(schema, frozenset(), frozenset({"a.b", "a", "c"}))
    source = written(table)
    footer = read_footer(source, projection, num_records=9, context=CONTEXT)
    columns = decode_row_group(source, footer, 0, {}, rows=range(9), context=CONTEXT)
    assert [pa.types.is_dictionary(columns[name].type) for name in "abc"] == [True, False, False]
    assert {value for column in columns.values() for value in column.to_pylist()} == {"x"}


@pytest.mark.parametrize(("num_distinct", "is_dictionary"), [(20, True), (1000, False)])
def test_long_texts_are_decoded_as_a_dictionary_where_few_of_them_are_of_many_rows(
    num_distinct: int, is_dictionary: bool
) -> None:
    generator = np.random.default_rng(0)
    texts = [generator.bytes(400).hex() for _ in range(num_distinct)]
    table = pa.table({"text": [texts[i % num_distinct] for i in range(2000)]})
    projection = Projection(table.schema, frozenset(), frozenset({"text"}))
    source = written(table)
    footer = read_footer(source, projection, num_records=2000, context=CONTEXT)
    columns = decode_row_group(source, footer, 0, {}, rows=range(2000), context=CONTEXT)
    assert pa.types.is_dictionary(columns["text"].type) == is_dictionary
    assert columns["text"].cast(pa.string()).equals(table["text"].combine_chunks())


def test_no_dictionary_is_one_where_the_writer_says_0() -> None:
    chunk = SimpleNamespace(
        dictionary_page_offset=0,
        has_dictionary_page=True,
        data_page_offset=4,
        total_uncompressed_size=1000,
        total_compressed_size=1000,
        num_values=100,
    )
    metadata = SimpleNamespace(row_group=lambda _: SimpleNamespace(column=lambda _: chunk))
    footer = SimpleNamespace(
        columns=SimpleNamespace(dictionary_leaves={0: "text"}), metadata=metadata
    )
    assert _dictionaries(footer, 0) == []  # type: ignore[arg-type]
    chunk.dictionary_page_offset, chunk.data_page_offset = 4, 900
    assert _dictionaries(footer, 0) == ["text"]  # type: ignore[arg-type]
