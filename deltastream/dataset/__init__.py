"""The face to torch: a table as an iterable dataset."""

from deltastream.dataset.cursor import count_batches
from deltastream.dataset.dataset import DeltaDataset

__all__ = ["DeltaDataset", "count_batches"]
