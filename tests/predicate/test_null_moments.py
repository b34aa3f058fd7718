"""Nulls of dates and timestamps in a filter are nulls, as those of any other type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from deltastream import read_arrow

TYPES = {"day": pa.date32(), "at": pa.timestamp("us", "UTC")}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("moments") / "table"
    columns: dict[str, Any] = {
        "id": [0, 1],
        "day": pa.array([date(2024, 1, 1), None], TYPES["day"]),
        "at": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], TYPES["at"]),
    }
    write_deltalake(root, pa.table(columns))
    return root


@pytest.mark.parametrize("name", TYPES)
def test_a_null_of_arrow_compares_with_nothing(table: Path, name: str) -> None:
    null = pa.scalar(None, TYPES[name])
    assert read_arrow(table, filter=pc.field(name) == null).num_rows == 0
    some = pa.array([None, date(2024, 1, 1)], TYPES["day"]).cast(TYPES[name])
    assert read_arrow(table, filter=pc.field(name).isin(some))["id"].to_pylist() == [0, 1]


def test_not_a_time_is_null(table: Path) -> None:
    assert read_arrow(table, filter=[("day", "=", np.datetime64("NaT"))]).num_rows == 0
