from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import WriterProperties, write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from deltastream.decode import Projection, long_bounds, read_footer, row_group_statistics
from deltastream.decode.long_bounds import parse_without_long_bounds
from deltastream.types import FileContext

CONTEXT = FileContext("table", 0, "part-0.parquet", None, "footer")
IMAGE_NBYTES = 64 << 10


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ten row groups whose footer has the least and the greatest image of each, whole."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    rows = [generator.bytes(IMAGE_NBYTES) for _ in range(20)]
    table = pa.table(
        {
            "id": pa.array(range(20), pa.int64()),
            "image": pa.array([None if i == 7 else row for i, row in enumerate(rows)], pa.binary()),
            "label": pa.array([i % 3 for i in range(20)], pa.int32()),
        }
    )
    write_deltalake(folder, table, writer_properties=WriterProperties(max_row_group_size=2))
    (path,) = folder.glob("*.parquet")
    return path


def footer_of(path: Path) -> bytes:
    data = path.read_bytes()
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def without_statistics(metadata: pq.FileMetaData) -> dict[str, Any]:
    found: dict[str, Any] = metadata.to_dict()
    del found["serialized_size"]
    for group in found["row_groups"]:
        for chunk in group["columns"]:
            del chunk["statistics"], chunk["is_stats_set"]
    return found


def null_counts(metadata: pq.FileMetaData) -> list[int | None]:
    chunks = [
        metadata.row_group(group).column(leaf).statistics
        for group in range(metadata.num_row_groups)
        for leaf in range(metadata.num_columns)
    ]
    return [statistics and statistics.null_count for statistics in chunks]


def test_long_bounds_are_left_out_and_all_else_stays(images: Path) -> None:
    whole = pq.read_metadata(images)
    assert whole.serialized_size > 19 * IMAGE_NBYTES
    with pa.memory_map(str(images)) as source:
        short = parse_without_long_bounds(source)
    assert short is not None
    assert short.serialized_size < IMAGE_NBYTES
    assert without_statistics(short) == without_statistics(whole)
    assert null_counts(short) == null_counts(whole)
    for group in range(whole.num_row_groups):
        chunks = short.row_group(group), whole.row_group(group)
        for leaf in (0, 2):
            found, expected = (chunk.column(leaf).statistics for chunk in chunks)
            assert (found.min, found.max) == (expected.min, expected.max)
        assert not chunks[0].column(1).statistics.has_min_max
        assert chunks[1].column(1).statistics.has_min_max


def test_a_footer_is_read_without_long_bounds(images: Path) -> None:
    schema = pa.schema([("id", pa.int64()), ("image", pa.binary())])
    projection = Projection(schema, frozenset())
    with pa.memory_map(str(images)) as source:
        footer = read_footer(source, projection, num_records=20, context=CONTEXT)
    assert footer.metadata.serialized_size < IMAGE_NBYTES
    bounds = row_group_statistics(footer, ("image",))
    assert bounds.field("min").null_count == bounds.field("max").null_count == 10
    assert bounds.field("null_count").to_pylist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert row_group_statistics(footer, ("id",)).field("max").to_pylist() == list(range(1, 20, 2))


@pytest.mark.parametrize(("num_columns", "is_left"), [(20, False), (2000, True)])
def test_a_footer_of_many_short_fields_is_left_to_arrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_columns: int, is_left: bool
) -> None:
    monkeypatch.setattr(long_bounds, "_LEAST_NBYTES", 0)
    table = pa.table({**{f"column_{i}": [i] for i in range(num_columns)}, "text": ["x" * 3000]})
    pq.write_table(table, tmp_path / "part-0.parquet")
    with pa.memory_map(str(tmp_path / "part-0.parquet")) as source:
        assert (parse_without_long_bounds(source) is None) == is_left


@given(st.data())
def test_a_damaged_footer_is_left_to_arrow(images: Path, data: st.DataObject) -> None:
    footer = bytearray(footer_of(images))
    for _ in range(data.draw(st.integers(1, 8))):
        # Most bytes are of images: those between them are drawn as often.
        at = data.draw(
            st.integers(0, 400)
            | st.integers(1, 400).map(lambda i: -i)
            | st.integers(0, len(footer) - 1)
        )
        footer[at] = data.draw(st.integers(0, 255))
    found = long_bounds._without_long_bounds(memoryview(footer))
    assert found is None or len(found) <= len(footer) + 100


def test_the_footers_of_every_table_stay_right_without_any_statistics(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_bounds, "_LEAST_NBYTES", 0)
    monkeypatch.setattr(long_bounds, "_LONG_NBYTES", 0)
    num_short = 0
    for path in sorted((corpus / "tables").rglob("*.parquet")):
        if "_delta_log" in path.parts:
            continue
        try:
            whole = pq.read_metadata(path)
        except (pa.ArrowException, OSError):
            continue
        with pa.memory_map(str(path)) as source:
            short = parse_without_long_bounds(source)
        if short is None:
            continue
        num_short += 1
        assert without_statistics(short) == without_statistics(whole), path
        assert null_counts(short) == null_counts(whole), path
    assert num_short > 500


@pytest.mark.timeout(20)
@pytest.mark.parametrize("number", [4, 9])
@pytest.mark.parametrize("item", range(1, 14))
def test_a_list_that_says_it_is_endless_is_left_to_arrow(item: int, number: int) -> None:
    many = bytes([0x80 | 0x7F] * 4 + [0x7F])
    footer = bytes([number << 4 | 9, 0xF0 | item]) + many + bytes(1 << 20)
    assert long_bounds._without_long_bounds(memoryview(footer)) is None
