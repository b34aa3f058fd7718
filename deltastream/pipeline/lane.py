"""Owns one lane as a consumer reads it: from a row on, window after window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from deltastream.decode import Footer
from deltastream.options import FOOTERS_AHEAD_FILES, FOOTERS_AHEAD_NBYTES
from deltastream.pipeline.footers import FooterReader
from deltastream.plan import Block, EpochOrder, Window, plan_windows

__all__ = ["LaneReader", "WindowRead"]


@dataclass(frozen=True, slots=True)
class WindowRead:
    """A window and the footers of its files."""

    window: Window
    footers: dict[int, Footer]


class LaneReader:
    """Plans the windows of one lane, in order, reading the footers of a block and of the next just before.

    Those of remote files are read further ahead: a block may be one small file, and a footer takes a whole request.
    """

    def __init__(
        self,
        order: EpochOrder,
        lane: int,
        footers: FooterReader,
        *,
        remote_nbytes: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """`remote_nbytes`: the sizes of the snapshot's files if they are remote."""
        self._order = order
        self._lane = lane
        start, stop = order.lane_rows(lane)
        self._num_rows = stop - start
        self._footers = footers
        self._windows: deque[WindowRead] = deque()
        self._block: Block | None = None
        self._remote_nbytes = remote_nbytes
        self._ahead: deque[tuple[Block, list[int]]] = deque()
        self._error: Exception | None = None
        """Why there is no window after those at hand."""
        self.stop = 0
        """Lane row up to which windows were returned or passed over."""

    async def next_window(self, row: int) -> WindowRead:
        """Return the next window that has rows from `row` on; windows that end before are passed over."""
        while True:
            while self._windows:
                read = self._windows.popleft()
                self.stop = read.window.stop
                if self.stop > row:
                    return read
            if self._error is not None:
                raise self._error
            await self._enter_block(max(row, self.stop))

    async def _enter_block(self, row: int) -> None:
        block = self._order.block(self._lane, row)
        files = [span.file for span in block.spans]
        # A lane that others share may pass over the block whose footers were read ahead.
        while self._ahead and self._ahead[0][0].start <= block.start:
            _, passed = self._ahead.popleft()
            self._footers.forget([file for file in passed if file not in files])
        # The next block's footers are asked for after this one's windows were handed out: the first batch comes first.
        footers, error = await self._footers.get(files)
        if error is not None:
            if self._order.options.shuffle:
                raise error
            # What lies before it is read before it.
            block = _cut_off(block, len(footers))
            self._error = error
        sizes = {file: footer.sizes for file, footer in footers.items()}
        windows = plan_windows(block, sizes, self._order.options, epoch=self._order.epoch)
        self._windows.extend(WindowRead(window, footers) for window in windows)
        self._block = block

    def prefetch(self) -> None:
        """Begin to read the footers of the next block, or of the next blocks."""
        if self._block is not None:
            stop = self._ahead[-1][0].stop if self._ahead else self._block.stop
            while stop < self._num_rows and self._wants_more():
                following = self._order.block(self._lane, stop)
                files = [span.file for span in following.spans]
                self._ahead.append((following, files))
                self._footers.prefetch(files)
                stop = following.stop
            self._block = None

    def _wants_more(self) -> bool:
        if not self._ahead:
            return True
        if self._remote_nbytes is None:
            return False
        files = [file for _, some in self._ahead for file in some]
        nbytes = int(self._remote_nbytes[files].sum())
        return len(files) < FOOTERS_AHEAD_FILES and nbytes < FOOTERS_AHEAD_NBYTES


def _cut_off(block: Block, num_files: int) -> Block:
    """Return the first files of a block that is not permuted."""
    spans = block.spans[:num_files]
    stop = block.start + sum(span.stop - span.start for span in spans)
    return replace(block, spans=spans, stop=stop)
