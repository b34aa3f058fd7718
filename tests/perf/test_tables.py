from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from perf.digits import draw_digits
from perf.fabricate import NUM_ROWS, fabricate_table
from perf.shapes import SHAPES, Shape
from perf.tables import data_files, ensure_table, facts_of

SCALE = 0.01


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_table_has_the_files_row_groups_and_columns_it_promises(
    shape: Shape, tmp_path: Path
) -> None:
    table = ensure_table(shape, tmp_path, scale=SCALE)
    facts = facts_of(shape, table)

    assert facts.num_files == shape.num_files
    assert facts.num_rows == shape.num_files * shape.rows_in_file(SCALE)
    assert facts.max_rows_per_group <= shape.rows_per_group
    schema = pq.read_schema(data_files(table)[0])
    assert {*shape.columns, shape.id_column} <= set(schema.names)


def test_ids_run_through_the_files_in_the_order_they_were_written(tmp_path: Path) -> None:
    table = ensure_table(SHAPES[0], tmp_path, scale=SCALE)
    ids = pa.concat_tables([pq.read_table(file, columns=["id"]) for file in data_files(table)])
    assert ids["id"].to_pylist() == list(range(ids.num_rows))


def test_digits_are_the_same_for_a_seed_and_mostly_background() -> None:
    labels = np.arange(40) % 10
    images = draw_digits(labels, seed=1)
    assert images.shape == (40, 784)
    assert np.array_equal(images, draw_digits(labels, seed=1))
    assert 0.1 < np.count_nonzero(images) / images.size < 0.3


def test_a_fabricated_table_is_one_that_deltalake_reads(tmp_path: Path) -> None:
    path = fabricate_table(tmp_path / "table", num_files=7, num_columns=3, with_files=True)
    table = DeltaTable(path)
    assert table.to_pyarrow_table().num_rows == 7 * NUM_ROWS
    assert len(table.file_uris()) == 7
