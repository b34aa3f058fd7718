"""Owns the memory that batches are views of: large buffers, lent out and used again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.engine.budget import ByteBudget, Charge
from deltastream.engine.kept_buffers import BufferMemory, KeptBuffers

__all__ = ["BufferPool", "BufferStatistics", "ColumnMemory", "WindowMemory"]

T = TypeVar("T", bound=np.generic)

_MIN_NBYTES = 1 << 16
"""Smaller buffers come from the allocator, which keeps such memory itself."""

_MAX_WASTE_NBYTES = 1 << 16
"""Decoded memory that a view of a column may hold and not use."""

_STEP_NBYTES = 1 << 16
"""Sizes are rounded up to this, so that windows of nearly the same size find each other's buffers."""


@dataclass(frozen=True, slots=True)
class BufferStatistics:
    """How often memory could be used again."""

    num_taken: int
    num_reused: int
    """Low against `num_taken`: windows differ in size, or batches are kept for long."""
    idle_nbytes: int


class _Lease:
    """Some bytes, as the base of all arrays that view them: keeps `owner` for as long as there are any."""

    __slots__ = ("__array_interface__", "_owner")

    def __init__(self, address: int, nbytes: int, owner: object) -> None:
        self.__array_interface__ = {
            "shape": (nbytes,),
            "typestr": "|u1",
            "data": (address, False),
            "version": 3,
        }
        self._owner = owner


class _Charged:
    """Gives a charge back when it is dropped."""

    __slots__ = ("charge",)

    def __init__(self, charge: Charge | None = None) -> None:
        self.charge = charge

    def __del__(self) -> None:
        if self.charge is not None:
            self.charge.release()


class _Lent(_Charged):
    """A buffer of the pool; goes back to it when it is dropped."""

    __slots__ = ("_memory", "_pool")

    def __init__(self, pool: BufferPool, memory: BufferMemory, charge: Charge) -> None:
        super().__init__(charge)
        self._pool = pool
        self._memory = memory

    def __del__(self) -> None:
        self._pool._come_back(self._memory)
        super().__del__()


class BufferPool:
    """Lends buffers; one comes back when the last array (or tensor) that views it is dropped.

    Taking is allowed in any thread. Small buffers come from the allocator and are not kept.
    """

    def __init__(self, budget: ByteBudget, kept: KeptBuffers | None = None) -> None:
        """Begin with what is `kept`; what comes back once the pool is closed goes there."""
        self._budget = budget
        self._kept = KeptBuffers() if kept is None else kept
        self._lock = Lock()
        self._idle = self._kept.take_all()
        # Filled by finalizers, which must not lock; `_settle` moves it on.
        self._returned: deque[BufferMemory] = deque()
        self._closed = False
        self._num_taken = 0
        self._num_reused = 0

    def __repr__(self) -> str:
        return f"<BufferPool {len(self._idle) + len(self._returned)} idle buffers>"

    def take(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """Return `nbytes` of writable memory with unknown content; charged to the budget until it comes back."""
        if nbytes < _MIN_NBYTES:
            array = np.empty(max(1, nbytes), np.uint8)
            return self.adopt(array.ctypes.data, nbytes, array)
        memory = self._find(-(-nbytes // _STEP_NBYTES) * _STEP_NBYTES)
        lent = _Lent(self, memory, self._budget.charge(nbytes))
        return np.asarray(_Lease(memory.address, nbytes, lent))

    def adopt(self, address: int, nbytes: int, owner: object) -> npt.NDArray[np.uint8]:
        """Return a writable array over foreign memory; `owner` and a charge live as long as anything views it."""
        return np.asarray(_Lease(address, nbytes, (owner, _Charged(self.charge(nbytes)))))

    def charge(self, nbytes: int) -> Charge:
        """Count bytes that exist already against the budget."""
        return self._budget.charge(nbytes)

    def _come_back(self, memory: BufferMemory) -> None:
        if self._closed:
            self._kept.offer(memory)
        else:
            self._returned.append(memory)

    def trim(self, max_idle_nbytes: int) -> None:
        """Free idle buffers, largest last, until at most `max_idle_nbytes` of them stay."""
        with self._lock:
            self._settle()
            while self._idle and sum(map(len, self._idle)) > max_idle_nbytes:
                self._idle.pop(0)

    def close(self) -> None:
        """Hand on what is idle, now and as it comes back, as far as it may be kept; free the rest."""
        self._closed = True
        with self._lock:
            self._settle()
            idle, self._idle = self._idle, []
        for memory in reversed(idle):
            self._kept.offer(memory)

    def statistics(self) -> BufferStatistics:
        idle = [*self._idle, *self._returned]
        return BufferStatistics(self._num_taken, self._num_reused, sum(map(len, idle)))

    def _find(self, nbytes: int) -> BufferMemory:
        with self._lock:
            self._settle()
            self._num_taken += 1
            for i, memory in enumerate(self._idle):
                # A buffer a quarter too large wastes less than a fresh one costs in page faults.
                if nbytes <= len(memory) <= nbytes + nbytes // 4:
                    self._num_reused += 1
                    return self._idle.pop(i)
        return BufferMemory.new(nbytes)

    def _settle(self) -> None:
        while self._returned:
            self._idle.append(self._returned.popleft())
        self._idle.sort(key=len)


class WindowMemory:
    """The memory of one window: what is taken through it is first paid from the window's own charge.

    The charge was an estimate, made when the window was admitted; what is left of it is `rest`.
    """

    def __init__(self, pool: BufferPool, charge: Charge) -> None:
        self._pool = pool
        self._adopted_nbytes = 0
        self._adopted = _Charged()
        self._lock = Lock()
        self.rest = charge

    def take(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """Return a buffer of the pool, for the window or for decoding it, paid from the window's charge."""
        with self._lock:
            self.rest.reduce(nbytes)
        return self._pool.take(nbytes)

    def adopt(self, address: int, nbytes: int, owner: object) -> npt.NDArray[np.uint8]:
        """Return a writable array over foreign memory, which is kept, and counted, as long as anything views it.

        All that is adopted shares one charge: what a window decodes is let go of together.
        """
        with self._lock:
            self._adopted_nbytes += nbytes
        return np.asarray(_Lease(address, nbytes, (owner, self._adopted)))

    def settle(self, objects_nbytes: int) -> None:
        """Give back what decoding needed; what stays is for Python objects."""
        # From here on the arrays alone hold what was adopted.
        adopted, self._adopted = self._adopted, _Charged()
        adopted.charge = self._pool.charge(self._adopted_nbytes)
        self.rest.change_to(objects_nbytes)


@dataclass(frozen=True, slots=True)
class ColumnMemory:
    """The memory of one column on its way into a window."""

    window: WindowMemory
    keeps: bool
    """Whether the window's arrays are views of what was decoded; else they are copied before it is dropped."""

    def take(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """Return a buffer for values that have to be made."""
        return self.window.take(nbytes)

    def adopt(self, address: int, nbytes: int, owner: object) -> npt.NDArray[np.uint8]:
        """Return a writable array over foreign memory that is kept in any case, as Python objects refer to it."""
        return self.window.adopt(address, nbytes, owner)

    def counted(self, values: npt.NDArray[T]) -> npt.NDArray[T]:
        """Return values that were made in memory of their own: if they are to be kept, in memory that is counted."""
        if not self.keeps:
            return values
        copy = self.take(values.nbytes).view(values.dtype)
        copy[:] = values
        return copy

    def view(self, start: int, nbytes: int, buffer: pa.Buffer) -> npt.NDArray[np.uint8]:
        """View part of an Arrow buffer: adopted if it is to be kept, else just borrowed."""
        borrowed = np.frombuffer(buffer, np.uint8, nbytes, start)
        if not self.keeps:
            return borrowed
        if buffer.size - nbytes > max(nbytes, _MAX_WASTE_NBYTES):
            # A part of a row group that a lane's end cuts: a view would hold all of it.
            copy = self.take(nbytes)
            copy[:] = borrowed
            return copy
        return self.window.adopt(buffer.address + start, nbytes, buffer)
