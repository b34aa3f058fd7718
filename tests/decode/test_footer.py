from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream.decode import Projection, read_footer
from deltastream.errors import FileCorruptError
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
