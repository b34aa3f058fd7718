"""Owns the memory of buffers, and what of it outlives an iterator: later epochs find it instead of new pages."""

from __future__ import annotations

import mmap
from contextlib import suppress

import numpy as np

from deltastream.options import KEPT_BUFFERS_NBYTES

__all__ = ["BufferMemory", "KeptBuffers"]


class BufferMemory(mmap.mmap):
    """Anonymous memory, in huge pages where there are any, and its address."""

    address: int

    @staticmethod
    def new(nbytes: int) -> BufferMemory:
        memory = BufferMemory(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.address = np.frombuffer(memory, np.uint8).ctypes.data
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # Kernels without huge pages refuse the advice.
            with suppress(OSError):
                memory.madvise(mmap.MADV_HUGEPAGE)
        return memory


class KeptBuffers:
    """Idle buffers of iterators that ended. Their content means nothing.

    Finalizers call `offer`, so that nothing here locks: two at once may keep one buffer too many.
    """

    def __init__(self) -> None:
        self._buffers: list[BufferMemory] = []

    def __repr__(self) -> str:
        return f"<KeptBuffers {self.nbytes} bytes>"

    def __reduce__(self) -> tuple[type[KeptBuffers], tuple[()]]:
        # Memory stays where it is.
        return KeptBuffers, ()

    @property
    def nbytes(self) -> int:
        return sum(map(len, self._buffers[:]))

    def offer(self, memory: BufferMemory) -> None:
        """Keep a buffer, if there is room for it."""
        if self.nbytes + len(memory) <= KEPT_BUFFERS_NBYTES:
            self._buffers.append(memory)

    def take_all(self) -> list[BufferMemory]:
        """Give away what is kept."""
        buffers, self._buffers = self._buffers, []
        return buffers
