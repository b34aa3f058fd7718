"""Owns the literals that Python, NumPy and Arrow write."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa

from deltastream.errors import OptionError
from deltastream.predicate.expression import Value
from deltastream.predicate.moments import moment_of

__all__ = ["literal_of"]

_MAX_BITS = 10_000
"""3,010 digits; Python writes at most 4,300, and messages show what was given."""


def literal_of(value: object) -> Value:
    """Return a value that a filter compares with.

    Raises:
        OptionError: It is of a type that no column has.
    """
    if (moment := moment_of(value)) is not None:
        return moment
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    elif isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise OptionError(
            f"filter: an integer of more than {_MAX_BITS} bits cannot be compared with"
        )
    if value is None or isinstance(value, (bool, int, float, Decimal, str, bytes)):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise OptionError(f"filter: a {type(value).__name__} cannot be compared with: {value!r}")
