"""Owns what the reader does not know: what becomes of the decoded row groups of a window."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from deltastream.engine.budget import Charge
from deltastream.engine.buffers import BufferPool
from deltastream.pipeline.needs import LaneKey
from deltastream.plan import Window
from deltastream.types import DecodeColumns, FileContext

__all__ = ["LaneChunk", "WindowBuilder", "WindowChunk", "WindowChunks"]


class WindowChunk(Protocol):
    """The finished rows of a window."""

    @property
    def nbytes(self) -> int:
        """Bytes that its rows hold."""
        ...


C = TypeVar("C", bound=WindowChunk)
C_co = TypeVar("C_co", bound=WindowChunk, covariant=True)

LaneChunk = tuple[LaneKey, C]
"""A chunk and the key of the lane it belongs to."""


class WindowBuilder(Protocol[C_co]):
    """Collects the decoded row groups of one window."""

    def add(
        self,
        decode: DecodeColumns,
        rows: slice,
        *,
        context: FileContext,
        row_numbers: npt.NDArray[np.int64] | range,
    ) -> None:
        """Add `rows` of the window, which are `row_numbers` of their row group; runs in the pool, several at once."""
        ...

    def finish(self, *, num_rows: int | None = None) -> C_co:
        """Return the window's rows, or the first `num_rows`, once they were added; runs on the loop."""
        ...


class WindowChunks(Protocol[C_co]):
    """Makes a builder for each window: tensors for a dataset, record batches for Arrow."""

    @property
    def holds_decoded(self) -> bool:
        """Whether what was decoded is held, beside the finished rows, until a window's last row group has come."""
        ...

    @property
    def row_nbytes(self) -> int:
        """About how many bytes a finished row has, at least, as far as that is known yet."""
        ...

    def begin(self, window: Window, charge: Charge, buffers: BufferPool) -> WindowBuilder[C_co]:
        """Begin a window, whose estimated bytes `charge` holds; the builder gives back what it doesn't need."""
        ...

    def stop(self) -> None:
        """End what runs as soon as it can be; from any thread."""
        ...
