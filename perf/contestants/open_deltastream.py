"""Owns the opening of a table by deltastream: plan and length, nothing read."""

from __future__ import annotations

from collections.abc import Iterator

from deltastream import DeltaDataset
from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Make the dataset and ask for its length."""
    dataset = DeltaDataset(job.path, fields=None, batch_size=job.batch_size, shuffle=True)
    num_batches = len(dataset)

    def epoch() -> Iterator[int]:
        # Closes over the dataset, so that what it keeps is still there when memory is measured.
        yield num_batches if dataset is not None else 0

    return epoch
