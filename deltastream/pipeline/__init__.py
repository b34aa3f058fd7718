"""Wires the rooms, without torch: a plan and what becomes of its rows in, an iterator out."""

from deltastream.pipeline.engine import ReadEngine
from deltastream.pipeline.iterator import EngineIterator
from deltastream.pipeline.needs import LaneKey, Needs, consumer_needs
from deltastream.pipeline.plan import ReadOptions, ReadPlan
from deltastream.pipeline.selector import Prepared, RowFilter, Selector
from deltastream.pipeline.statistics import PipelineStatistics
from deltastream.pipeline.table import (
    FoundFiles,
    PlannedRows,
    RowsRequest,
    find_files,
    plan_rows,
    run_planning,
)
from deltastream.pipeline.tails import fetch_tails
from deltastream.pipeline.windows import LaneChunk, WindowBuilder, WindowChunk, WindowChunks

__all__ = [
    "EngineIterator",
    "FoundFiles",
    "LaneChunk",
    "LaneKey",
    "Needs",
    "PipelineStatistics",
    "PlannedRows",
    "Prepared",
    "ReadEngine",
    "ReadOptions",
    "ReadPlan",
    "RowFilter",
    "RowsRequest",
    "Selector",
    "WindowBuilder",
    "WindowChunk",
    "WindowChunks",
    "consumer_needs",
    "fetch_tails",
    "find_files",
    "plan_rows",
    "run_planning",
]
