"""Owns what an iterator tells about itself."""

from __future__ import annotations

from dataclasses import dataclass

from deltastream.engine.budget import BudgetStatistics
from deltastream.engine.buffers import BufferStatistics
from deltastream.engine.channel import ChannelStatistics
from deltastream.engine.pool import PoolStatistics
from deltastream.fetch import FetchStatistics
from deltastream.storage import CacheStatistics

__all__ = ["PipelineStatistics"]


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """Every stage of one iterator: what it did, and how long it waited on either side."""

    num_batches: int
    num_windows: int
    num_row_groups: int
    num_footers: int
    decode: PoolStatistics
    budget: BudgetStatistics
    buffers: BufferStatistics
    channel: ChannelStatistics
    """`receive_wait_s` is the time the trainer waited for data."""
    fetch: FetchStatistics
    """All zero for local tables; what a cache gave is among it."""
    cache: CacheStatistics | None
    """None where no `cache_dir` was given, and for local tables."""
