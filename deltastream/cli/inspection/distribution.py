"""Owns how counts become a `Distribution`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deltastream.cli.inspection.model import Distribution

__all__ = ["distribution"]


def distribution(counts: npt.NDArray[np.int64]) -> Distribution | None:
    """Return least, middle and greatest of `counts`; None where there are none."""
    if not len(counts):
        return None
    middle = (len(counts) - 1) // 2
    median = int(np.partition(counts, middle)[middle])
    return Distribution(int(counts.min()), median, int(counts.max()))
