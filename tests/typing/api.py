"""The public types as users see them: checked by mypy, never run."""

from __future__ import annotations

from typing import Any, assert_type

import torch
from torch.utils.data import DataLoader, IterableDataset

from deltastream import (
    DeltaDataset,
    DeltaStreamError,
    FieldSpec,
    create_pytorch_dataloader,
    iter_arrow,
    read_arrow,
)
from deltastream.fields import RaggedForm


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


def a_loader_goes_on(path: str, state: dict[str, Any]) -> dict[str, Any]:
    loader = create_pytorch_dataloader(path)
    loader.load_state_dict(state)
    assert_type(loader.dataset.locate().version, int)
    return loader.state_dict()


def a_field_takes_every_option(ragged: RaggedForm) -> list[FieldSpec]:
    return [
        FieldSpec("s.a", dtype=torch.bfloat16, fill_null=float("nan")),
        FieldSpec(("a", "s.b"), target_name="both", dtype="float16", null_mask=True),
        FieldSpec("clicks", ragged="padded", pad_value=-1),
        FieldSpec("clicks", ragged=ragged),
        FieldSpec("clicks", ragged=True),
        FieldSpec("price", decimal="float"),
        FieldSpec("clicks", ragged="sorted"),  # type: ignore[arg-type]
        FieldSpec("price", decimal="exact"),  # type: ignore[arg-type]
    ]


def rows_are_arrow(path: str) -> int:
    num_rows: int = read_arrow(path, columns=["a", "s.b"], filter=[("a", ">", 1)]).num_rows
    with iter_arrow(path, filter="a > 1", max_rows=10) as batches:
        for batch in batches:
            num_rows += batch.num_rows
    return num_rows


def every_error_is_one(error: DeltaStreamError) -> Exception:
    return error
