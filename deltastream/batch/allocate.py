"""Owns the layout of several tensors in one buffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod

import numpy as np
import numpy.typing as npt

__all__ = ["AnyArray", "TensorShape", "allocate"]

AnyArray = npt.NDArray[np.generic]

TensorShape = tuple[str, np.dtype[np.generic], tuple[int, ...]]
"""Name, dtype and shape of one row."""

_ALIGN_NBYTES = 64


def allocate(
    tensors: Sequence[TensorShape],
    num_rows: int,
    take: Callable[[int], npt.NDArray[np.uint8]],
) -> dict[str, AnyArray]:
    """Return an array ``[num_rows, *shape]`` for each of `tensors`, all parts of one buffer from ``take(nbytes)``."""
    if not tensors:
        return {}
    sizes = [num_rows * dtype.itemsize * prod(shape) for _, dtype, shape in tensors]
    aligned = [-(-size // _ALIGN_NBYTES) * _ALIGN_NBYTES for size in sizes]
    memory = take(sum(aligned))
    starts = accumulate(aligned, initial=0)
    return {
        name: memory[start : start + size].view(dtype).reshape(num_rows, *shape)
        for (name, dtype, shape), start, size in zip(tensors, starts, sizes, strict=False)
    }
