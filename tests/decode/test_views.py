"""A writer's ARROW:schema may say that lists, texts or bytes are views: in Parquet they are what they always are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream import DeltaDataset, FieldSpec, read_arrow
from tests.support.logs import LogFolder, add, metadata, protocol
from tests.support.vectors import inline_vector

NUM_ROWS = 40
ListView = Callable[[Any], pa.DataType]


def lists_of(rng: np.random.Generator, value: Callable[[], Any]) -> list[Any]:
    return [
        None if rng.random() < 0.2 else [value() for _ in range(rng.integers(4))]
        for _ in range(NUM_ROWS)
    ]


def rows(seed: int) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)

    def number() -> int | None:
        return None if rng.random() < 0.1 else int(rng.integers(100))

    def struct() -> dict[str, Any] | None:
        inner = None if rng.random() < 0.2 else [number() for _ in range(rng.integers(3))]
        return None if rng.random() < 0.2 else {"a": inner, "b": f"{number()}"}

    return {
        "id": list(range(NUM_ROWS)),
        "v": lists_of(rng, number),
        "s": lists_of(rng, struct),
        "text": [
            None if i % 5 == 0 else f"a text of more than twelve bytes, {i}" for i in range(40)
        ],
        "blob": [None if i % 7 == 0 else bytes([i]) * (i % 20) for i in range(40)],
    }


def array_of(element: Any) -> dict[str, Any]:
    return {"type": "array", "elementType": element, "containsNull": True}


@pytest.fixture(params=[pa.list_view, pa.large_list_view])
def view(request: pytest.FixtureRequest) -> ListView:
    return request.param  # type: ignore[no-any-return]


def write(folder: Path, columns: dict[str, list[Any]], view: ListView, **more: Any) -> Path:
    element = pa.struct([("a", view(pa.int64())), ("b", pa.string())])
    types = {
        "id": pa.int64(),
        "v": view(pa.int64()),
        "s": view(element),
        "text": pa.string_view(),
        "blob": pa.binary_view(),
    }
    log = LogFolder(folder)
    file = folder / "f.parquet"
    schema = pa.schema(list(types.items()))
    with pq.ParquetWriter(file, schema) as writer:
        # Each row group from values of its own: Arrow writes no slices of views.
        for part in (slice(17), slice(17, 34), slice(34, NUM_ROWS)):
            writer.write_table(pa.table({n: v[part] for n, v in columns.items()}, schema))
    assert pq.read_schema(file).field("v").type == view(pa.int64())
    fields = [("a", array_of("long")), ("b", "string")]
    struct = {
        "type": "struct",
        "fields": [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in fields],
    }
    declared = {"id": "long", "v": array_of("long"), "s": array_of(struct)}
    declared |= {"text": "string", "blob": "binary"}
    log.commit(0, protocol(3, ["deletionVectors"]), metadata(declared))
    log.commit(
        1, add("f.parquet", size=file.stat().st_size, stats=f'{{"numRecords":{NUM_ROWS}}}', **more)
    )
    return folder


def test_views_are_read_as_what_the_table_has(tmp_path: Path, view: ListView, seed: int) -> None:
    columns = rows(seed)
    found = read_arrow(write(tmp_path, columns, view))
    found.validate(full=True)
    assert found.to_pydict() == columns
    assert found.schema.field("v").type.equals(pa.list_(pa.int64()))
    assert found.schema.field("text").type.equals(pa.string())


@pytest.mark.parametrize(
    "wanted", [(0, 2, 5), (3, 4, 5, 6), (0, 16, 17, 39), tuple(range(1, 40, 2))]
)
def test_rows_of_views_are_left_out_wherever_they_lie(
    tmp_path: Path, view: ListView, wanted: tuple[int, ...], seed: int
) -> None:
    columns = rows(seed)
    expected = {name: [values[i] for i in wanted] for name, values in columns.items()}
    root = write(tmp_path / "plain", columns, view)
    found = read_arrow(root, filter=f"id in ({', '.join(map(str, wanted))})")
    found.validate(full=True)
    assert found.to_pydict() == expected
    gone = sorted(set(range(NUM_ROWS)) - set(wanted))
    root = write(tmp_path / "deleted", columns, view, deletionVector=inline_vector(gone))
    assert read_arrow(root).to_pydict() == expected


def test_a_filter_may_look_at_views(tmp_path: Path, view: ListView, seed: int) -> None:
    columns = rows(seed)
    root = write(tmp_path, columns, view)
    assert read_arrow(root, columns=["id"], filter=f"text >= '{columns['text'][23]}'")[
        "id"
    ].to_pylist() == [
        i for i, text in enumerate(columns["text"]) if (text or "") >= columns["text"][23]
    ]


def test_views_become_tensors(tmp_path: Path, view: ListView) -> None:
    columns = rows(0) | {"v": [[i] * (1 + i % 3) for i in range(NUM_ROWS)]}
    root = write(tmp_path, columns, view)
    (batch,) = DeltaDataset(
        root, [FieldSpec("v", ragged="padded")], batch_size=4, filter="id in (0, 2, 5, 30)"
    )
    assert batch["v"]["values"].tolist() == [[0, 0, 0], [2, 2, 2], [5, 5, 5], [30, 0, 0]]
    assert batch["v"]["lengths"].tolist() == [1, 3, 3, 1]
