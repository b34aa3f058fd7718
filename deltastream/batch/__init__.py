"""From Arrow columns to exact batches of tensors: convert, permute, cut."""

from deltastream.batch.chunk import Chunk, ChunkBuilder
from deltastream.batch.cut import BatchCutter
from deltastream.batch.layout import Layout, resolve_layout
from deltastream.batch.pack import PackedBatch

__all__ = ["BatchCutter", "Chunk", "ChunkBuilder", "Layout", "PackedBatch", "resolve_layout"]
