from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.decode.live_rows import RowTaker

NUM_ROWS = 200
NUMBERS = list(range(NUM_ROWS))
COLUMNS = {
    "number": pa.array(NUMBERS, pa.int64()),
    "with nulls": pa.array([None if n % 3 == 0 else n for n in NUMBERS], pa.float32()),
    "flag": pa.array([n % 2 == 0 for n in NUMBERS]),
    "decimal": pa.array([Decimal(n) for n in NUMBERS], pa.decimal128(9, 0)),
    "text": pa.array([str(n) * (n % 4) for n in NUMBERS]),
    "bytes": pa.array([bytes([n]) for n in NUMBERS]),
    "word": pa.array([bytes([n] * 4) for n in NUMBERS], pa.binary(4)),
    "dictionary": pa.array([str(n % 5) for n in NUMBERS]).dictionary_encode(),
    "list": pa.array([[n] * (n % 3) for n in NUMBERS], pa.list_(pa.int32())),
    "struct": pa.array([{"a": n, "b": str(n)} for n in NUMBERS]),
    "map": pa.array([[(str(n), n)] for n in NUMBERS], pa.map_(pa.string(), pa.int32())),
    "null": pa.nulls(NUM_ROWS),
}


def check(rows: np.ndarray | range) -> None:
    taker = RowTaker(rows)
    found = {name: taker.take(column) for name, column in COLUMNS.items()}
    for name, column in COLUMNS.items():
        everything = column.to_pylist()
        assert found[name].to_pylist() == [everything[row] for row in rows], name
        assert found[name].type == column.type


@given(st.sets(st.integers(0, NUM_ROWS - 1)))
def test_the_rows_that_live_are_kept_in_order_in_every_type(rows: set[int]) -> None:
    check(np.array(sorted(rows), np.int64))


@pytest.mark.parametrize("dropped", [[], [0], [100], [199], [0, 99, 199], NUMBERS[:-1], NUMBERS])
def test_few_and_many_dropped_rows_leave_the_same_as_any(dropped: list[int]) -> None:
    check(np.array([n for n in NUMBERS if n not in dropped], np.int64))


def test_rows_that_lie_one_after_the_other_are_not_copied() -> None:
    for rows in (range(50, 60), np.arange(50, 60)):
        taker = RowTaker(rows)
        assert not taker.copies
        assert all(taker.take(column).offset == 50 for column in COLUMNS.values())
