"""Wires the rooms: a plan and a consumer in, an iterator of batches out."""

from deltastream.pipeline.iterator import BatchIterator
from deltastream.pipeline.plan import ReadOptions, ReadPlan
from deltastream.pipeline.selector import RowFilter, Selector
from deltastream.pipeline.statistics import PipelineStatistics

__all__ = [
    "BatchIterator",
    "PipelineStatistics",
    "ReadOptions",
    "ReadPlan",
    "RowFilter",
    "Selector",
]
