"""partition_filter, with values as deltatorch wanted them: as text, quoted or not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deltastream import (
    FieldSpec,
    create_pytorch_dataloader,
)
from tests.support.loaders import row_ids
from tests.support.tables import add_actions, write_files


@pytest.fixture(scope="module")
def partitioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = range(90)
    table = pa.table(
        {
            "id": pa.array(rows, pa.int64()),
            "year": pa.array([2020 + row % 3 for row in rows], pa.int32()),
            "city": pa.array([["Köln", "x y", "'a'"][row // 3 % 3] for row in rows]),
        }
    )
    return write_files(
        tmp_path_factory.mktemp("partitioned") / "table", [table], partition_by=["year", "city"]
    )


@pytest.mark.parametrize(
    ("condition", "keeps"),
    [
        ([("year", "=", 2021)], lambda year, city: year == 2021),
        ([("year", "=", "2021")], lambda year, city: year == 2021),
        ([("year", "=", "'2021'")], lambda year, city: year == 2021),
        ([("year", ">", "2020"), ("city", "=", "Köln")], lambda y, c: y > 2020 and c == "Köln"),
        ([("city", "==", "'x y'")], lambda year, city: city == "x y"),
        ([("city", "=", '"x y"')], lambda year, city: city == "x y"),
        ([("city", "=", "'a'")], lambda year, city: city == "'a'"),
        ([("city", "in", ["Köln", "x y"])], lambda year, city: city in ("Köln", "x y")),
        ([("city", "not in", ["Köln"])], lambda year, city: city != "Köln"),
        ([("year", "!=", 2020)], lambda year, city: year != 2020),
        ([[("year", "=", 2020)], [("city", "=", "Köln")]], lambda y, c: y == 2020 or c == "Köln"),
        ([("year", "=", 1999)], lambda year, city: False),
    ],
)
def test_partition_filter_keeps_what_matches_and_reads_no_other_file(
    partitioned: Path, condition: Any, keeps: Any, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(partitioned, copy)
    for action in add_actions(copy):
        if not keeps(action["partition.year"], action["partition.city"]):
            (copy / action["path"]).unlink()
    loader = create_pytorch_dataloader(
        copy, fields=[FieldSpec("id")], partition_filter=condition, shuffle=True
    )
    expected = [
        row for row in range(90) if keeps(2020 + row % 3, ["Köln", "x y", "'a'"][row // 3 % 3])
    ]
    assert sorted(row_ids(loader)) == expected
    assert len(loader) == -(-len(expected) // 32)
    assert loader.dataset.num_rows == len(expected)
