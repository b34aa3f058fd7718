"""Owns deltatorch's oldest form: the table's length as second argument, and (source, target) pairs as batches."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from deltastream.dataset import DeltaDataset
from deltastream.dataset.topology import check_fixed_rank
from deltastream.errors import OptionError
from deltastream.fields import FieldSpec
from deltastream.loader.loader import DeltaDataLoader

__all__ = ["create_from_length"]

_SOURCE, _TARGET = "source", "target"


def create_from_length(
    path: str | os.PathLike[str],
    length: int,
    id_field: str | None = None,
    src_field: str | None = None,
    target_field: str | None = None,
    batch_size: int | None = 32,
    apply_src_numpy_shape: Sequence[int] | int | None = None,
    load_pil: bool = False,
    transform: Callable[[Any], Any] | None = None,
    target_transform: Callable[[Any], Any] | None = None,
    use_fixed_rank: bool = False,
    rank: int | None = None,
    num_ranks: int | None = None,
    num_workers: int = 0,
    shuffle: bool = False,
    timeout: int | None = None,
    queue_size: int | None = None,
    *,
    drop_last: bool = False,
    collate_fn: Callable[[list[tuple[Any, Any]]], Any] | None = None,
    **dataloader_kwargs: Any,
) -> DeltaDataLoader:
    """Make a DataLoader whose batches are ``[source, target]``, from the arguments of deltatorch 0.0.1.

    `length` and `id_field` are not needed, rows are counted by the log; nor are `timeout` and `queue_size`, there is
    no such queue.

    Raises:
        OptionError: `src_field`, `target_field` or `batch_size` is missing, an argument is one of the newer form, or
            those of the rank contradict each other.
    """
    warnings.warn(
        "create_pytorch_dataloader(path, length, src_field=..., target_field=...) is deltatorch's oldest form: use "
        "create_pytorch_dataloader(path, fields=[FieldSpec(...), ...]), whose batches are dicts",
        DeprecationWarning,
        stacklevel=3,
    )
    if src_field is None or target_field is None:
        raise OptionError("deltatorch's oldest form needs src_field and target_field")
    if batch_size is None:
        raise OptionError(
            "batch_size=None, single rows, is not supported: give the rows of a batch"
        )
    check_fixed_rank(use_fixed_rank, rank, num_ranks)
    fields = [
        FieldSpec(src_field, apply_src_numpy_shape, load_pil, transform, _SOURCE),
        FieldSpec(target_field, transform=target_transform, target_name=_TARGET),
    ]
    dataset = DeltaDataset(
        path,
        fields,
        batch_size=batch_size,
        shuffle=shuffle,
        drop_last=drop_last,
        rank=rank,
        num_ranks=num_ranks,
        row_dicts=collate_fn is not None,
    )
    collate = _pair if collate_fn is None else functools.partial(_collate_pairs, collate_fn)
    return DeltaDataLoader(
        dataset, collate_fn=collate, num_workers=num_workers, **dataloader_kwargs
    )


def _pair(batch: dict[str, Any]) -> list[Any]:
    return [batch[_SOURCE], batch[_TARGET]]


def _collate_pairs(
    collate_fn: Callable[[list[tuple[Any, Any]]], Any], rows: list[dict[str, Any]]
) -> Any:
    return collate_fn([(row[_SOURCE], row[_TARGET]) for row in rows])
