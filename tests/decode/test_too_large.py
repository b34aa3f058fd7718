"""Columns that one array of the table's type cannot hold, with a limit that a test reaches."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import deltastream
from deltastream import UnsupportedFeatureError
from deltastream.decode import too_large
from deltastream.decode.row_group import RowGroupDecoder
from deltastream.types import FileContext
from tests.support.tables import numbered, write_files


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(too_large, "_MAX_NBYTES", 100)


def test_a_column_of_several_arrays_is_refused_by_name() -> None:
    decoder = RowGroupDecoder.__new__(RowGroupDecoder)
    decoder._context = FileContext("t", 3, "a.parquet", 0, "decode")
    small, large = pa.chunked_array([["a"], ["b"]]), pa.chunked_array([["a" * 60], ["b" * 60]])
    table = pa.table({"small": small, "large": large})
    assert decoder._joined(table, 0).to_pylist() == ["a", "b"]
    with pytest.raises(UnsupportedFeatureError, match=r"a.parquet.*'large' has \d+ bytes in one"):
        decoder._joined(table, 1)


def test_what_fits_one_array_is_read_however_large(tmp_path: Path) -> None:
    root = write_files(tmp_path / "table", [numbered(0, 500)], row_group_rows=500)
    assert deltastream.read_arrow(root).num_rows == 500
