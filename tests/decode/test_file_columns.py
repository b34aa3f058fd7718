from __future__ import annotations

from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.decode import Projection, decode_first_rows, decode_row_group, read_footer
from deltastream.decode.arrow_types import plain_type
from deltastream.types import FileContext
from tests.support.evolved import evolved_columns

CONTEXT = FileContext("table", 3, "part-0.parquet", None, "decode")


def written(table: pa.Table, **options: Any) -> pa.BufferReader:
    sink = BytesIO()
    pq.write_table(table, sink, **options)
    return pa.BufferReader(sink.getvalue())


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
    first = decode_first_rows(source, projection, 5, CONTEXT)
    for name, values in first.items():
        assert values.to_pylist() == found[name].to_pylist()[: len(values)]
