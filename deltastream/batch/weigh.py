"""Owns how many bytes Python objects take: estimated from a few of them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

__all__ = ["objects_nbytes"]

_NUM_SAMPLES = 16
_MAX_LEVELS = 8


def objects_nbytes(values: npt.NDArray[Any], column: pa.Array | None = None) -> int:
    """Return about how many bytes `values` take, beside the array's references to them.

    `column` are the values that they were made of, one of each: the bytes of a few, against those of the objects, tell
    those of all. Of what a transform made nothing is known but a few, of which the largest may be one of its kind.
    """
    if not len(values):
        return 0
    rows = np.arange(0, len(values), -(-len(values) // _NUM_SAMPLES))
    sample = values[rows]
    sizes = [_nbytes(value, _MAX_LEVELS) for value in sample]
    if any(isinstance(value, memoryview) for value in sample):
        # Of memory that is counted.
        return max(sizes) * len(values)
    if column is None:
        if len(rows) > 1 and len(set(map(id, sample))) == 1:
            return sizes[0]
        usual = sorted(sizes)[: max(1, len(sizes) - 1)]
        return sum(usual) * len(values) // len(usual)
    few = column.take(pa.array(rows))
    if pa.types.is_dictionary(column.type):
        # Rows share the objects.
        few, column = few.dictionary_decode(), column.dictionary
    return int(sum(sizes) * column.nbytes / max(1, few.nbytes))


def _nbytes(value: Any, levels: int) -> int:
    try:
        return _weigh(value, levels)
    except Exception:
        # A user's own type may answer to nothing.
        return 0


def _weigh(value: Any, levels: int) -> int:
    if value is None or isinstance(value, bool):
        return 0
    nbytes = sys.getsizeof(value)
    if isinstance(value, torch.Tensor):
        return nbytes + int(value.nbytes)
    if isinstance(value, np.ndarray):
        return nbytes + (0 if value.base is None else value.nbytes)
    if type(value).__module__.startswith("PIL."):
        # A byte a pixel and band.
        return nbytes + int(value.width * value.height * len(value.getbands()))
    # The keys of a struct's dicts are those of all its rows.
    items = list(value.values()) if isinstance(value, dict) else value
    if isinstance(items, list | tuple) and items and levels:
        sample = items[:: -(-len(items) // _NUM_SAMPLES)]
        nbytes += sum(_nbytes(item, levels - 1) for item in sample) * len(items) // len(sample)
    return nbytes
