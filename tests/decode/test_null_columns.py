"""A column of Parquet's type null has nothing but nulls, whatever type the table gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream import read_arrow
from tests.support.logs import LogFolder, add, metadata, protocol

FIELD = {"name": "a", "type": "long", "nullable": True, "metadata": {}}


@pytest.mark.parametrize(
    "declared",
    [
        "string",
        {"type": "array", "elementType": "long", "containsNull": True},
        {"type": "struct", "fields": [FIELD]},
        {"type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": True},
    ],
)
def test_a_column_of_nulls_is_read_as_nulls_of_the_tables_type(
    tmp_path: Path, declared: Any
) -> None:
    file = tmp_path / "f.parquet"
    pq.write_table(pa.table({"id": [1, 2], "v": pa.nulls(2)}), file)
    log = LogFolder(tmp_path)
    log.commit(0, protocol(), metadata({"id": "long", "v": declared}))
    log.commit(1, add("f.parquet", size=file.stat().st_size, stats='{"numRecords":2}'))
    assert read_arrow(tmp_path).to_pydict() == {"id": [1, 2], "v": [None, None]}
