"""Owns one lane as a consumer reads it: from a row on, window after window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from deltastream.decode import Footer
from deltastream.pipeline.footers import FooterReader
from deltastream.plan import Block, EpochOrder, Window, plan_windows

__all__ = ["LaneReader", "WindowRead"]


@dataclass(frozen=True, slots=True)
class WindowRead:
    """A window and the footers of its files."""

    window: Window
    footers: dict[int, Footer]


class LaneReader:
    """Plans the windows of one lane, in order, reading the footers of a block and of the next just before."""

    def __init__(self, order: EpochOrder, lane: int, footers: FooterReader) -> None:
        self._order = order
        self._lane = lane
        start, stop = order.lane_rows(lane)
        self._num_rows = stop - start
        self._footers = footers
        self._windows: deque[WindowRead] = deque()
        self._block: Block | None = None
        self._ahead: list[int] = []
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
            await self._enter_block(max(row, self.stop))

    async def _enter_block(self, row: int) -> None:
        block = self._order.block(self._lane, row)
        files = [span.file for span in block.spans]
        # A lane that others share may pass over the block whose footers were read ahead.
        self._footers.forget([file for file in self._ahead if file not in files])
        self._ahead = []
        # The next block's footers are asked for after this one's windows were handed out: the first batch comes first.
        footers = await self._footers.get(files)
        sizes = {file: footer.sizes for file, footer in footers.items()}
        windows = plan_windows(block, sizes, self._order.options, epoch=self._order.epoch)
        self._windows.extend(WindowRead(window, footers) for window in windows)
        self._block = block

    def prefetch(self) -> None:
        """Begin to read the footers of the next block."""
        if self._block is not None and self._block.stop < self._num_rows:
            following = self._order.block(self._lane, self._block.stop)
            self._ahead = [span.file for span in following.spans]
            self._footers.prefetch(self._ahead)
            self._block = None
