"""From Arrow columns to exact batches of tensors: convert, permute, cut."""

from deltastream.batch.chunk import Chunk, ChunkBuilder
from deltastream.batch.cut import BatchCutter
from deltastream.batch.groups import ColumnGroups
from deltastream.batch.layout import Layout
from deltastream.batch.pack import PackedBatch, new_shared_memory
from deltastream.batch.resolve import resolve_layout

__all__ = [
    "BatchCutter",
    "Chunk",
    "ChunkBuilder",
    "ColumnGroups",
    "Layout",
    "PackedBatch",
    "new_shared_memory",
    "resolve_layout",
]
