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
BOX = pa.struct([("x", pa.float32()), ("y", pa.float32())])


def texts() -> pa.Array:
    return pa.array([f"{i:05}" * (i % 40) for i in range(NUM_ROWS)])


def one_long_text() -> pa.Array:
    return pa.array(["x" * (2_000_000 if i == 1000 else 100) + str(i) for i in range(NUM_ROWS)])


def wide_texts() -> pa.Array:
    return pa.array(["\N{GRINNING FACE}" + "x" * (i % 400) + str(i) for i in range(NUM_ROWS)])


def boxes() -> pa.Array:
    rows = [[{"x": i + 0.5, "y": j + 0.25} for j in range(i % 20)] for i in range(NUM_ROWS)]
    return pa.array(rows, pa.list_(BOX))


def objects_of(values: list[Any]) -> np.ndarray[Any, Any]:
    return np.fromiter(values, np.object_, len(values))


@pytest.mark.parametrize("make", [texts, one_long_text, wide_texts, boxes])
def test_objects_weigh_what_python_allocates_for_them(make: Callable[[], pa.Array]) -> None:
    column = make()
    tracemalloc.start()
    values = column.to_pylist()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found = objects_nbytes(objects_of(values), column) + 8 * len(column)
    assert 0.75 * allocated < found < 1.3 * allocated


@pytest.mark.parametrize("offset", [0, 7])
def test_one_long_text_weighs_once_wherever_it_is(offset: int) -> None:
    """Whether it is one of the few that are looked at, or none."""
    column = pa.array(["x" * (2_000_000 if i == offset else 100) for i in range(NUM_ROWS)])
    found = objects_nbytes(objects_of(column.to_pylist()), column)
    assert 2_100_000 < found < 3_700_000


@pytest.mark.parametrize(
    ("make", "nbytes"),
    [
        (lambda: np.zeros(1000, np.float32), 4000),
        (lambda: torch.zeros(1000), 4000),
        (lambda: Image.new("RGB", (30, 20)), 1800),
        (lambda: [b"x" * 1000] * 2, 2000),
    ],
    ids=["array", "tensor", "image", "list"],
)
def test_results_of_transforms_weigh_what_a_few_do(make: Callable[[], Any], nbytes: int) -> None:
    values = objects_of([make() for _ in range(NUM_ROWS)])
    assert nbytes * NUM_ROWS <= objects_nbytes(values) <= (nbytes + 250) * NUM_ROWS


def test_one_result_of_its_kind_is_not_taken_for_all() -> None:
    values = objects_of([b"x" * (10_000_000 if i == 0 else 100) for i in range(NUM_ROWS)])
    assert objects_nbytes(values) < 1_000_000


def test_objects_that_rows_share_count_once() -> None:
    column = pa.array(["a" * 951, "b" * 951, "c" * 951] * 1000).dictionary_encode()
    found = objects_nbytes(objects_of(column.to_pylist()), column)
    assert 2900 < found < 3200
    shared = torch.zeros(1000)
    assert objects_nbytes(objects_of([shared] * NUM_ROWS)) < 5000


def test_memoryviews_weigh_nothing_but_themselves() -> None:
    values = [memoryview(b"x" * 1000) for _ in range(NUM_ROWS)]
    column = pa.array([bytes(value) for value in values])
    assert 150 * NUM_ROWS < objects_nbytes(objects_of(values), column) < 250 * NUM_ROWS


def test_nothing_weighs_nothing() -> None:
    assert objects_nbytes(np.empty(0, np.object_)) == 0
    assert objects_nbytes(np.full(10, None), pa.nulls(10, pa.string())) == 0


class Lenient(dict[str, Any]):
    __getattr__ = dict.get


class Strict:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __sizeof__(self) -> int:
        raise RuntimeError("of any size")


@pytest.mark.parametrize(
    "make",
    [lambda: Lenient(a=1), Strict, lambda: torch.eye(3).to_sparse()],
    ids=["lenient", "strict", "sparse"],
)
def test_a_type_that_does_not_say_ends_no_epoch(make: Callable[[], Any]) -> None:
    assert objects_nbytes(objects_of([make() for _ in range(20)])) >= 0
