from __future__ import annotations

import pyarrow as pa

from deltastream.batch.paths import take_path


def test_the_fields_of_a_null_struct_are_null() -> None:
    rows = [{"b": {"c": 1}}, None, {"b": None}, {"b": {"c": None}}, {"b": {"c": 5}}]
    column = pa.array([*rows, *rows], pa.struct([("b", pa.struct([("c", pa.int8())]))]))
    assert take_path(column, ("a", "b", "c")).to_pylist() == [1, None, None, None, 5] * 2
    assert take_path(column[1:4], ("a", "b")).is_valid().to_pylist() == [False, False, True]
    assert take_path(column, ("a",)) is column
