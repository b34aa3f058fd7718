"""Filters over every table of the corpus: what they keep is what filtering the full content keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from deltastream import read_arrow
from deltastream.errors import DeltaStreamError
from deltastream.predicate import Filter

OPERATORS: dict[str, Callable[[pa.ChunkedArray, pa.Scalar], pa.ChunkedArray]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def leaves(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """The columns and fields of structs that compare, each after its quoted name."""
    pending = [(f"`{name.replace('`', '``')}`", table[name]) for name in table.column_names]
    while pending:
        name, column = pending.pop(0)
        if pa.types.is_struct(column.type):
            pending += [
                (f"{name}.`{field.name}`", pc.struct_field(column, field.name))
                for field in column.type
            ]
        elif not pa.types.is_nested(column.type) and not pa.types.is_null(column.type):
            yield name, column


def conditions(
    table: pa.Table, draw: np.random.RandomState, max_columns: int
) -> Iterator[tuple[Filter, pa.ChunkedArray]]:
    """Filters on each column, with what they are for every row of the table."""
    masks: list[tuple[list[Any], pa.ChunkedArray]] = []
    for name, column in list(leaves(table))[:max_columns]:
        yield f"{name} is null", column.is_null()
        yield [(name, "is not", None)], column.is_valid()
        present = column.drop_null()
        if len(present) == 0:
            continue
        picked = [present[int(i)] for i in draw.randint(0, len(present), 2)]
        operator = str(draw.choice(list(OPERATORS)))
        for value in picked:
            for sign in {operator, "=", ">"}:
                mask = OPERATORS[sign](column, value)
                yield [(name, sign, value)], mask
                masks.append(([(name, sign, value)], mask))
        if not pa.types.is_floating(column.type):
            found = pc.or_(*(pc.equal(column, value) for value in picked))
            yield [(name, "in", picked)], found
            yield [(name, "not in", picked)], pc.and_(pc.invert(found), column.is_valid())
    for _ in range(min(4, len(masks))):
        first, second = (masks[int(i)] for i in draw.randint(0, len(masks), 2))
        yield [*first[0], *second[0]], pc.and_kleene(first[1], second[1])
        yield [first[0], second[0]], pc.or_kleene(first[1], second[1])


def same(left: pa.Table, right: pa.Table) -> bool:
    # NaN is not equal to NaN, and some timestamps are beyond Python's.
    return left.equals(right) or repr(left.to_pydict()) == repr(right.to_pydict())


@pytest.mark.timeout(900)
def test_what_a_filter_keeps_is_what_filtering_the_full_content_keeps(
    corpus: Path, seed: int, stress: bool
) -> None:
    draw = np.random.RandomState(seed)
    wrong: list[tuple[object, ...]] = []
    num_tables = num_filters = 0
    for entry in json.loads((corpus / "manifest.json").read_text())["tables"]:
        root = corpus / entry["path"]
        try:
            full = read_arrow(root)
        except DeltaStreamError:
            continue
        num_tables += full.num_rows > 0
        for condition, mask in conditions(full, draw, 12 if stress else 1):
            num_filters += 1
            expected = full.filter(mask.fill_null(False))
            try:
                found = read_arrow(root, filter=condition)
            except Exception as error:
                wrong.append((entry["name"], condition, error))
                continue
            if not same(found, expected):
                wrong.append((entry["name"], condition, found.num_rows, expected.num_rows))
    assert not wrong
    assert num_tables > 100
    assert num_filters > 300
