"""The order, as arithmetic: from live row counts to lanes, blocks, windows and microbatches. Pure functions."""

from deltastream.plan.blocks import Block, choose_blocks
from deltastream.plan.epoch import EpochOrder, LaneSpan
from deltastream.plan.file_outcomes import file_outcomes
from deltastream.plan.lanes import choose_lanes, window_sizes
from deltastream.plan.prune import PartitionFilter, keep_files, settle_filter
from deltastream.plan.rebatch import rebatch
from deltastream.plan.rows import blocks_of, rows_of
from deltastream.plan.schedule import Consumer, Schedule
from deltastream.plan.windows import Window, WindowSlice, plan_windows

__all__ = [
    "Block",
    "Consumer",
    "EpochOrder",
    "LaneSpan",
    "PartitionFilter",
    "Schedule",
    "Window",
    "WindowSlice",
    "blocks_of",
    "choose_blocks",
    "choose_lanes",
    "file_outcomes",
    "keep_files",
    "plan_windows",
    "rebatch",
    "rows_of",
    "settle_filter",
    "window_sizes",
]
