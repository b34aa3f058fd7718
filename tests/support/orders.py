"""Small tables as row counts, and a walk along their order that leans on nothing but lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from deltastream.options import OrderOptions
from deltastream.plan import Block, EpochOrder, Window, plan_windows
from deltastream.types import RowGroupSizes

__all__ = ["Row", "Rows", "TableSizes", "order_options", "tables", "walk_blocks", "walk_lane"]

Row = tuple[int, int, int]
"""File, row group, live row of the row group."""


@dataclass(frozen=True)
class TableSizes:
    """The live rows of every row group of every file, and bytes of a row per file."""

    groups: tuple[tuple[int, ...], ...]
    row_nbytes: tuple[int, ...]

    @property
    def live_rows(self) -> npt.NDArray[np.int64]:
        return np.array([sum(groups) for groups in self.groups], np.int64)

    @property
    def num_rows(self) -> int:
        return sum(map(sum, self.groups))

    @property
    def sizes(self) -> dict[int, RowGroupSizes]:
        return {
            file: RowGroupSizes(np.array(groups, np.int64), np.array(groups, np.int64) * nbytes)
            for file, (groups, nbytes) in enumerate(zip(self.groups, self.row_nbytes, strict=True))
        }

    def file_rows(self, file: int) -> list[Row]:
        return [(file, g, i) for g, n in enumerate(self.groups[file]) for i in range(n)]

    @property
    def rows(self) -> list[Row]:
        """Every row, in base order."""
        return [row for file in range(len(self.groups)) for row in self.file_rows(file)]

    def order(self, options: OrderOptions, *, lanes: int, epoch: int = 0) -> EpochOrder:
        return EpochOrder(self.live_rows, options, lanes=lanes, epoch=epoch)

    def epoch_rows(self, order: EpochOrder) -> list[Row]:
        """The rows of the epoch's files, put end to end."""
        return [row for file in order.files for row in self.file_rows(int(file))]


@dataclass
class Rows:
    """One lane as a walk from its first row finds it."""

    blocks: list[Block]
    windows: list[Window]
    rows: list[Row]


def walk_blocks(order: EpochOrder, lane: int) -> list[Block]:
    start, stop = order.lane_rows(lane)
    blocks: list[Block] = []
    row = 0
    while row < stop - start:
        blocks.append(order.block(lane, row))
        row = blocks[-1].stop
    return blocks


def walk_lane(order: EpochOrder, lane: int, table: TableSizes) -> Rows:
    """Read a lane from its first row to its last, window after window."""
    found = Rows(walk_blocks(order, lane), [], [])
    for block in found.blocks:
        found.windows += plan_windows(block, table.sizes, order.options, epoch=order.epoch)
    for window in found.windows:
        read = [(s.file, s.row_group, i) for s in window.slices for i in range(s.start, s.stop)]
        placed = dict(zip(window.positions().tolist(), read, strict=True))
        found.rows += [placed[i] for i in range(len(read))]
    return found


@st.composite
def tables(draw: st.DrawFn, *, min_rows: int = 0) -> TableSizes:
    """Up to eight files of up to four row groups; files and row groups without rows among them."""
    group = st.integers(0, 12) | st.just(0)
    groups = draw(st.lists(st.lists(group, max_size=4), max_size=8))
    if sum(map(sum, groups)) < min_rows:
        groups.append([min_rows])
    row_nbytes = [draw(st.integers(0, 9)) for _ in groups]
    return TableSizes(tuple(map(tuple, groups)), tuple(row_nbytes))


@st.composite
def order_options(draw: st.DrawFn, **fixed: Any) -> OrderOptions:
    """Options whose windows and blocks are small against `tables()`."""
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "batch_size": st.integers(1, 9),
        "shuffle": st.booleans(),
        "seed": st.integers(0, 2**63 - 1),
        "drop_last": st.booleans(),
        "shuffle_rows": st.integers(1, 30),
        "shuffle_nbytes": st.integers(1, 200) | st.just(1 << 20),
        "block_rows": st.integers(1, 60),
        "sequential_nbytes": st.integers(0, 200),
        "sequential_rows": st.integers(1, 60),
    }
    options = draw(st.builds(OrderOptions, **drawn | {n: st.just(v) for n, v in fixed.items()}))
    return replace(options, first_block_rows=draw(st.integers(0, options.block_rows)))
