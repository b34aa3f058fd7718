"""Owns how many bytes Python objects take: those of a few, for all of a column."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["objects_nbytes"]

_NUM_SAMPLES = 16
_MAX_LEVELS = 8


def objects_nbytes(values: npt.NDArray[Any], num_distinct: int | None = None) -> int:
    """Return about how many bytes `values` take, beside the array's references to them.

    `num_distinct`: how many objects they are, at most, where rows share them.
    """
    if not len(values):
        return 0
    sample = values[:: -(-len(values) // _NUM_SAMPLES)]
    mean = sum(_nbytes(value, _MAX_LEVELS) for value in sample) / len(sample)
    return int(mean * min(len(values), num_distinct or len(values)))


def _nbytes(value: Any, levels: int) -> int:
    if value is None or isinstance(value, bool):
        return 0
    if isinstance(value, torch.Tensor):
        return sys.getsizeof(value) + int(value.nbytes)
    if isinstance(value, np.ndarray):
        return sys.getsizeof(value) + (0 if value.base is None else value.nbytes)
    # PIL's images: a byte a pixel and band.
    if hasattr(value, "getbands"):
        return sys.getsizeof(value) + int(value.width * value.height * len(value.getbands()))
    nbytes = sys.getsizeof(value)
    # The keys of a struct's dicts are those of all its rows.
    items = list(value.values()) if isinstance(value, dict) else value
    if isinstance(items, list | tuple) and items and levels:
        sample = items[:: -(-len(items) // _NUM_SAMPLES)]
        nbytes += sum(_nbytes(item, levels - 1) for item in sample) * len(items) // len(sample)
    return nbytes
