"""Runs loaders: row ids in the order of delivery, and reads that take their time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
import torch

from deltastream import FieldSpec, create_pytorch_dataloader
from deltastream.fetch.local import LocalFiles

__all__ = ["batch_ids", "delay_reads", "merge_ranks", "row_ids", "rows_by_id", "split_rows"]

_MAX_DELAY_S = 0.004


def batch_ids(loader: Iterable[Any]) -> list[list[int]]:
    """The ids of each batch of one epoch."""
    return [batch["id"].tolist() for batch in loader]


def row_ids(loader: Iterable[Any]) -> list[int]:
    """The ids of one epoch, in order."""
    return [row for batch in batch_ids(loader) for row in batch]


def merge_ranks(ranks: Sequence[list[list[int]]]) -> list[list[int]]:
    """The batches of all ranks, step by step, rank by rank; ranks that end earlier are passed over."""
    steps = max(len(batches) for batches in ranks)
    return [batches[step] for step in range(steps) for batches in ranks if step < len(batches)]


def delay_reads(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Let every opening of a data file take a random while; forked workers inherit it."""
    draw, lock, open_file = random.Random(seed), Lock(), LocalFiles.open

    def slow(self: LocalFiles, file: int, *fetched: None, **options: bool) -> Any:
        with lock:
            delay_s = draw.random() * _MAX_DELAY_S
        time.sleep(delay_s)
        return open_file(self, file, *fetched, **options)

    monkeypatch.setattr(LocalFiles, "open", slow)


def rows_by_id(
    root: Path, fields: Sequence[FieldSpec], *, shuffle: bool, num_workers: int = 0
) -> dict[int, dict[str, Any]]:
    """Each row's values by its id; tensors are split into their rows."""
    loader = create_pytorch_dataloader(
        root,
        fields=[FieldSpec("id"), *fields],
        shuffle=shuffle,
        num_workers=num_workers,
        batch_size=32,
        shuffle_rows=150,
    )
    found: dict[int, dict[str, Any]] = {}
    for batch in loader:
        ids = batch["id"].tolist()
        found.update(zip(ids, split_rows(batch, len(ids)), strict=True))
    return found


def split_rows(values: Any, num_rows: int) -> list[Any]:
    """Take a field of a batch, in any form, apart into its rows; a dict of fields into dicts."""
    if isinstance(values, dict) and set(values) == {"values", "offsets"}:
        rows = values["values"].split(values["offsets"].diff().tolist())
    elif isinstance(values, dict) and set(values) == {"values", "lengths"}:
        pairs = zip(values["values"], values["lengths"].tolist(), strict=True)
        rows = [padded[:length] for padded, length in pairs]
    elif isinstance(values, dict):
        columns = [split_rows(inside, num_rows) for inside in values.values()]
        return [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]
    elif isinstance(values, torch.Tensor) and values.layout == torch.jagged:
        rows = values.unbind()
    else:
        rows = list(values)
    assert len(rows) == num_rows
    return list(rows)
