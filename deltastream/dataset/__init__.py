"""The face to torch: a table as an iterable dataset."""

from deltastream.dataset.dataset import DeltaDataset

__all__ = ["DeltaDataset"]
