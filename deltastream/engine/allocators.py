"""Owns giving unused memory back to the system, where allocators would keep it for a thread that is gone."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa

__all__ = ["release_unused_memory"]

_MALLOC_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
"""glibc's; other C libraries have none."""


def release_unused_memory() -> None:
    """Give back what Arrow's pool and the C library hold and do not use.

    Footers are parsed into the C library's arenas, one a thread: ten epochs of a table with long statistics kept 100 MB
    of holes there. Takes about a millisecond.
    """
    pa.default_memory_pool().release_unused()
    if _MALLOC_TRIM is not None:
        _MALLOC_TRIM(0)
