from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.cli.inspection.distribution import distribution
from deltastream.cli.inspection.model import Distribution
from deltastream.cli.inspection.partitions import measure_partitions

VALUES = st.sampled_from(["a", "b", "", None])


@given(st.lists(st.integers(-(2**62), 2**62), max_size=9))
def test_a_distribution_is_the_least_the_middle_and_the_greatest(values: list[int]) -> None:
    found = distribution(np.array(values, np.int64))
    ordered = sorted(values)
    assert found == (
        Distribution(ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]) if values else None
    )


@given(st.lists(st.tuples(VALUES, st.sampled_from([1, 2, None]), st.integers(0, 2**50))))
def test_what_lies_in_each_partition_is_counted(files: list[tuple[Any, Any, int]]) -> None:
    table = pa.table(
        {
            "p": pa.array([p for p, _, _ in files], pa.string()),
            "q": pa.array([q for _, q, _ in files], pa.int32()),
        }
    )
    amounts = np.array([n for _, _, n in files], np.int64)
    found = measure_partitions(table, amounts, amounts)
    nbytes: Counter[object] = Counter()
    by_value: Counter[object] = Counter()
    for p, q, n in files:
        nbytes[p, q] += n
        by_value[p] += n
    assert found.num_partitions == len(nbytes)
    assert found.nbytes == found.rows == distribution(np.array(list(nbytes.values()), np.int64))
    column = found.columns[0]
    assert column.num_values == len(by_value)
    assert {one.value: one.nbytes for one in column.top} == dict(by_value)
    assert [one.rows for one in column.top] == sorted(by_value.values(), reverse=True)


def test_only_the_largest_values_are_listed_and_ties_keep_the_table_s_order() -> None:
    table = pa.table({"p": [str(i) for i in range(20)]})
    sizes = np.array([1] * 10 + [5] + [1] * 9, np.int64)
    found = measure_partitions(table, sizes, None)
    assert [one.value for one in found.columns[0].top] == ["10", "0", "1", "2", "3"]
    assert found.columns[0].num_values == 20
    assert found.rows is None


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([1.5, float("nan"), float("nan")]), ["nan", "1.5"]),
        (pa.array([True, None, None]), [None, "true"]),
        (pa.array([b"a\xff", b"b", b"b"]), ["b", "a\\xff"]),
        (pa.array([None, None, None]), [None]),
        (
            pa.array([2_932_897, 0, 0]).cast(pa.int32()).cast(pa.date32()),
            ["1970-01-01", "10000-01-01"],
        ),
        (pa.array([datetime(2026, 1, 2), None, None], pa.timestamp("us", "UTC")), None),
        (pa.array([1, 2, 2]).cast(pa.decimal128(21, 2)), ["2.00", "1.00"]),
    ],
    ids=str,
)
def test_values_of_every_type_have_a_text(values: pa.Array, texts: list[str | None] | None) -> None:
    found = measure_partitions(pa.table({"p": values}), np.ones(3, np.int64), None)
    expected = [None, "2026-01-02 00:00:00.000000Z"] if texts is None else texts
    assert [one.value for one in found.columns[0].top] == expected
