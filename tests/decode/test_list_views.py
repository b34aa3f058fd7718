"""A writer's ARROW:schema may say that lists are views: in Parquet they are lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream import DeltaDataset, FieldSpec, read_arrow
from tests.support.logs import LogFolder, add, metadata, protocol

STRUCTS = [
    [{"a": [1, 2], "b": "x"}],
    None,
    [],
    [{"a": None, "b": None}, None, {"a": [3], "b": "y"}],
]
COLUMNS = {"id": [0, 1, 2, 3], "v": [[1, 2], [3], [], [4, 5, 6]], "s": STRUCTS}


def array_of(element: Any) -> dict[str, Any]:
    return {"type": "array", "elementType": element, "containsNull": True}


@pytest.fixture(params=[pa.list_view, pa.large_list_view])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    view: Callable[[Any], pa.DataType] = request.param
    element = pa.struct([("a", view(pa.int64())), ("b", pa.string())])
    schema = pa.schema([("id", pa.int64()), ("v", view(pa.int64())), ("s", view(element))])
    log = LogFolder(tmp_path)
    file = tmp_path / "f.parquet"
    pq.write_table(pa.table(COLUMNS, schema), file, row_group_size=2)
    assert pq.read_schema(file).field("v").type == view(pa.int64())
    fields = [("a", array_of("long")), ("b", "string")]
    struct = {
        "type": "struct",
        "fields": [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in fields],
    }
    log.commit(
        0, protocol(), metadata({"id": "long", "v": array_of("long"), "s": array_of(struct)})
    )
    log.commit(1, add("f.parquet", size=file.stat().st_size, stats='{"numRecords":4}'))
    return tmp_path


def test_views_of_lists_are_read_as_the_lists_of_the_table(table: Path) -> None:
    found = read_arrow(table)
    assert found.to_pydict() == COLUMNS
    assert found.schema.field("v").type.equals(pa.list_(pa.int64()))
    assert read_arrow(table, filter="id > 1")["s"].to_pylist() == STRUCTS[2:]


def test_views_of_lists_become_tensors(table: Path) -> None:
    (batch,) = DeltaDataset(table, [FieldSpec("v", ragged="padded")], batch_size=4)
    assert batch["v"]["values"].tolist() == [[1, 2, 0], [3, 0, 0], [0, 0, 0], [4, 5, 6]]
