"""Owns which allocator decoded memory comes from, and giving back to the system what allocators would keep."""

from __future__ import annotations

import ctypes
import functools
import os
import sys

import pyarrow as pa

__all__ = ["growing_memory_pool", "join_allocators", "release_unused_memory"]

_MALLOC_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
"""glibc's; other C libraries have none."""


@functools.cache
def growing_memory_pool() -> pa.MemoryPool:
    """Return Arrow's pool for buffers that grow as values of varying width are decoded into them.

    jemalloc, where Arrow was built with it, else the default: its buffers are used again without new pages, though
    another thread drops them. ``ARROW_DEFAULT_MEMORY_POOL`` takes precedence.
    """
    if (
        "jemalloc" in pa.supported_memory_backends()
        and "ARROW_DEFAULT_MEMORY_POOL" not in os.environ
    ):
        return pa.jemalloc_memory_pool()
    return pa.default_memory_pool()


def join_allocators() -> None:
    """Make the calling thread known to the allocators, before it drops what others allocated.

    jemalloc gives large buffers freed by a thread that never allocated one straight back to the system, and their pages
    have to be cleared for the next ones: of ``img`` that is a quarter of the rate.
    """
    pa.allocate_buffer(64, memory_pool=growing_memory_pool())


def release_unused_memory() -> None:
    """Give back what Arrow's pools and the C library hold and do not use.

    Footers are parsed into the C library's arenas, one a thread: ten epochs of a table with long statistics kept 100 MB
    of holes there. Takes about a millisecond. jemalloc gives back by itself, within two seconds: to Arrow's call, up to
    26.0 at least, it does not listen.
    """
    pa.default_memory_pool().release_unused()
    growing_memory_pool().release_unused()
    if _MALLOC_TRIM is not None:
        _MALLOC_TRIM(0)
