"""The face to torch: a table as an iterable dataset."""

from deltastream.dataset.batches import BatchIterator
from deltastream.dataset.cursor import count_batches
from deltastream.dataset.dataset import DeltaDataset
from deltastream.dataset.provenance import Provenance

__all__ = ["BatchIterator", "DeltaDataset", "Provenance", "count_batches"]
