from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from deltastream.predicate import Bounds, Path, bind, outcomes, parse_filter
from tests.support.predicates import SCHEMA, TYPES, Row, Truth, filters, rows


def _statistics(draw: st.DrawFn, files: list[list[Row]], name: str) -> pa.Array:
    """Return sound bounds of a column in each file, each of them perhaps loosened or left out."""
    type_, values = TYPES[name]
    entries: list[dict[str, Any]] = []
    for file in files:
        held = [row[name] for row in file if row[name] is not None]
        ordered = [value for value in held if value == value]
        low, high = (min(ordered), max(ordered)) if ordered else (None, None)
        looser = draw(values)
        if low is not None and looser < low:
            low = looser
        if high is not None and looser > high:
            high = looser
        nulls = len(file) - len(held) + draw(st.integers(0, 1))
        entries.append(
            {
                "min": draw(st.sampled_from([low, low, None])),
                "max": draw(st.sampled_from([high, high, None])),
                "null_count": draw(st.sampled_from([nulls, nulls, None])),
            }
        )
    struct = pa.struct([("min", type_), ("max", type_), ("null_count", pa.int64())])
    return pa.array(
        [draw(st.sampled_from([entry, entry, entry, None])) for entry in entries], struct
    )


def _check(
    files: list[list[Row]], condition: tuple[str, Truth], bounds: dict[Path, Bounds]
) -> None:
    sql, truth = condition
    found = outcomes(bind(parse_filter(sql), SCHEMA), bounds, len(files))
    for i, file in enumerate(files):
        values = {truth(row) for row in file}
        assert (True not in values) or found.true[i]
        assert (False not in values) or found.false[i]
        assert (None not in values) or found.null[i]


@settings(max_examples=500)
@given(st.data(), st.lists(rows(), min_size=1, max_size=4), filters())
def test_bounds_never_exclude_what_a_row_has(
    data: st.DataObject, files: list[list[Row]], condition: tuple[str, Truth]
) -> None:
    asked = data.draw(st.sets(st.sampled_from(sorted(TYPES))))

    @st.composite
    def draw_bounds(draw: st.DrawFn) -> dict[Path, Bounds]:
        return {(name,): Bounds.of_statistics(_statistics(draw, files, name)) for name in asked}

    _check(files, condition, data.draw(draw_bounds()))


@settings(max_examples=300)
@given(rows(min_size=1), filters())
def test_partition_values_decide_without_a_doubt(
    data: list[Row], condition: tuple[str, Truth]
) -> None:
    sql, truth = condition
    table = pa.Table.from_pylist(data, schema=SCHEMA)
    bounds: dict[Path, Bounds] = {(name,): Bounds.of_values(table[name]) for name in TYPES}
    _check([[row] for row in data], condition, bounds)
    found = outcomes(bind(parse_filter(sql), SCHEMA), bounds, len(data))
    is_simple = not any(word in sql for word in ("AND", "OR", "LIKE"))
    if is_simple:
        # A file with one value a column is decided; connected terms may hide that they contradict each other.
        expected = [truth(row) for row in data]
        assert found.none_pass.tolist() == [value is not True for value in expected]
        assert found.all_pass.tolist() == [value is True for value in expected]


def test_300_000_files_are_pruned_at_once() -> None:
    num_files = 300_000
    low = np.arange(num_files) * 10
    statistics = pa.StructArray.from_arrays(
        [pa.array(low), pa.array(low + 9), pa.array(np.zeros(num_files, np.int64))],
        names=["min", "max", "null_count"],
    )
    members = ", ".join(str(n * 1000) for n in range(1000))
    sql = f"(i >= 100 AND i < 205) OR i IN ({members}) OR i IS NULL"
    predicate = bind(parse_filter(sql), pa.schema([("i", pa.int64())]))
    start = time.perf_counter()
    found = outcomes(predicate, {("i",): Bounds.of_statistics(statistics)}, num_files)
    assert time.perf_counter() - start < 5
    assert np.flatnonzero(found.all_pass).tolist() == list(range(10, 20))
    assert int(np.count_nonzero(~found.none_pass)) == 11 + 1000
