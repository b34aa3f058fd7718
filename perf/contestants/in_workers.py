"""Owns deltastream in workers as a contestant: a batch in one storage, as it is, or a storage per column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from deltastream import DeltaDataLoader, DeltaDataset, FieldSpec
from perf.job import Epochs, Job

__all__ = ["open_table"]


class _ColumnsApart(IterableDataset[dict[str, torch.Tensor]]):
    """The same batches, every tensor with a storage of its own: what a dataset that yields dicts sends."""

    def __init__(self, dataset: DeltaDataset) -> None:
        super().__init__()
        self._dataset = dataset

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for batch in self._dataset:
            yield {name: value.clone() for name, value in batch.unpack().items()}


def open_table(job: Job) -> Epochs:
    """Make the loader; the options are ``num_workers`` and ``columns_apart``."""
    num_workers = int(job.options["num_workers"] or 0)
    dataset = DeltaDataset(job.path, [*map(FieldSpec, job.columns)], batch_size=job.batch_size)
    loader: DataLoader[Any] = (
        DataLoader(_ColumnsApart(dataset), batch_size=None, num_workers=num_workers)
        if job.options["columns_apart"]
        else DeltaDataLoader(dataset, num_workers=num_workers)
    )

    def epoch() -> Iterator[int]:
        for batch in loader:
            yield len(next(iter(batch.values())))

    return epoch
