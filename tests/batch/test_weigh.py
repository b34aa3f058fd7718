from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from deltastream.batch.weigh import objects_nbytes

NUM_ROWS = 2000


def text() -> list[Any]:
    return [f"{i:05}" * (20 + i % 3) for i in range(NUM_ROWS)]


def wide_text() -> list[Any]:
    return ["\N{GRINNING FACE}" + "x" * 400 + str(i) for i in range(NUM_ROWS)]


def boxes() -> list[Any]:
    box = pa.struct([("x", pa.float32()), ("y", pa.float32())])
    rows = [[{"x": i + 0.5, "y": j + 0.25} for j in range(10 + i % 3)] for i in range(NUM_ROWS)]
    found: list[Any] = pa.array(rows, pa.list_(box)).to_pylist()
    return found


def arrays() -> list[Any]:
    return [np.zeros(1000, np.float32) for _ in range(NUM_ROWS)]


def tensors() -> list[Any]:
    return [torch.zeros(1000) for _ in range(NUM_ROWS)]


def images() -> list[Any]:
    return [Image.new("RGB", (30, 20)) for _ in range(NUM_ROWS)]


@pytest.mark.parametrize("make", [text, wide_text, boxes, arrays])
def test_objects_weigh_what_python_allocates_for_them(make: Callable[[], list[Any]]) -> None:
    tracemalloc.start()
    values = make()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    column = np.empty(len(values), np.object_)
    column[:] = values
    found = objects_nbytes(column) + 8 * len(column)
    assert 0.8 * allocated < found < 1.25 * allocated


@pytest.mark.parametrize(
    ("make", "nbytes"), [(tensors, 4000), (images, 1800)], ids=["tensors", "images"]
)
def test_memory_of_libraries_counts(make: Callable[[], list[Any]], nbytes: int) -> None:
    column = np.empty(NUM_ROWS, np.object_)
    column[:] = make()
    assert nbytes * NUM_ROWS <= objects_nbytes(column) <= (nbytes + 200) * NUM_ROWS


def test_objects_that_rows_share_count_once() -> None:
    shared = np.array(["x" * 951] * NUM_ROWS, np.object_)
    assert objects_nbytes(shared, 3) == 3000
    assert objects_nbytes(shared[:2], 3) == 2000


def test_nothing_weighs_nothing() -> None:
    assert objects_nbytes(np.empty(0, np.object_)) == 0
    assert objects_nbytes(np.full(10, None)) == 0
