from __future__ import annotations

from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream.decode import Projection, read_footer, row_group_statistics
from deltastream.errors import FileCorruptError, UnsupportedFeatureError
from deltastream.types import FileContext

CONTEXT = FileContext("table", 3, "part-0.parquet", None, "footer")
TABLE = pa.table(
    {
        "a": pa.array(range(10), pa.int64()),
        "a.b": pa.array(range(10), pa.int32()),
        "s": [{"x": 1.0, "y": [True, False]}] * 10,
        "text": ["one", "two"] * 5,
        "flag": [True] * 10,
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pq.write_table(TABLE, tmp_path / "part-0.parquet", row_group_size=4, use_dictionary=False)
    return tmp_path / "part-0.parquet"


def sizes(path: Path, *names: str) -> list[int]:
    projection = Projection(pa.schema([TABLE.schema.field(name) for name in names]), frozenset())
    with pa.memory_map(str(path)) as source:
        footer = read_footer(source, projection, num_records=10, context=CONTEXT)
    assert footer.sizes.num_rows.tolist() == [4, 4, 2]
    return footer.sizes.nbytes.tolist()


def test_the_decoded_sizes_that_close_windows_never_change(path: Path) -> None:
    """They are part of the order: another figure would be another sequence of rows. Never adapt them to the code."""
    assert sizes(path, "a") == [32, 32, 16]
    assert sizes(path, "a.b") == [16, 16, 8]
    # A double, and two booleans, a row.
    assert sizes(path, "s") == [40, 40, 20]
    assert sizes(path, "flag", "a") == [36, 36, 18]


def test_a_footer_with_another_number_of_rows_than_the_log_is_refused(path: Path) -> None:
    projection = Projection(TABLE.schema, frozenset())
    with pa.memory_map(str(path)) as source, pytest.raises(FileCorruptError, match=r"10 rows.*11"):
        read_footer(source, projection, num_records=11, context=CONTEXT)


def test_what_is_no_parquet_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no footer here, and not short either")
    projection = Projection(TABLE.schema, frozenset())
    with (
        pa.memory_map(str(tmp_path / "x")) as source,
        pytest.raises(FileCorruptError, match=r"part-0\.parquet"),
    ):
        read_footer(source, projection, num_records=None, context=CONTEXT)


def test_no_damaged_byte_of_a_footer_ends_the_process_in_arrow(tmp_path: Path) -> None:
    # Arrow parses column chunks late, and where nothing catches what it throws.
    rows = pa.table({"text": ["a", None, "b"], "list": [[1], [], [2, 3]], "x": [1, 2, 3]})
    deltalake.write_deltalake(tmp_path, rows)
    (path,) = tmp_path.glob("*.parquet")
    whole = path.read_bytes()
    projection = Projection(rows.schema, frozenset())
    num_refused = 0
    for at in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        try:
            footer = read_footer(
                pa.BufferReader(bytes(damaged)),
                projection,
                num_records=3,
                context=CONTEXT,
                checks_chunks=True,
            )
            for name in rows.column_names:
                row_group_statistics(footer, (name,))
        except (FileCorruptError, UnsupportedFeatureError):
            num_refused += 1
    assert num_refused
