"""The public types as users see them: checked by mypy, never run."""

from __future__ import annotations

from typing import Any, assert_type

import torch
from torch.utils.data import DataLoader, IterableDataset

from deltastream import DeltaDataset, DeltaStreamError, FieldSpec, create_pytorch_dataloader


def scale(image: torch.Tensor) -> torch.Tensor:
    return image / 255


def loader_is_a_dataloader(path: str) -> DataLoader[Any]:
    loader = create_pytorch_dataloader(
        path,
        id_field="id",
        fields=[FieldSpec("image", transform=scale), FieldSpec("label", target_name="y")],
        batch_size=64,
        shuffle=True,
        num_workers=2,
        drop_last=True,
        version=3,
        pin_memory=False,
    )
    assert_type(len(loader), int)
    return loader


def dataset_is_iterable(path: str) -> IterableDataset[Any]:
    dataset = DeltaDataset(path, fields=[FieldSpec("label")], batch_size=32)
    for batch in dataset:
        label: torch.Tensor = batch["label"]
        assert_type(label.numel(), int)
    return dataset


def every_error_is_one(error: DeltaStreamError) -> Exception:
    return error
