"""Owns deltatorch 0.0.3 as a contestant, in an environment of its own (`perf.environments`).

Without workers, which is its fastest: forked ones panic in deltalake, spawned ones were seven times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from deltatorch import (  # type: ignore[import-not-found]
    FieldSpec,
    create_pytorch_dataloader,
)

from perf.job import Epochs, Job

__all__ = ["open_table"]


def image_to_tensor(pixels: bytes) -> torch.Tensor:
    """The tutorial's transform, without its conversion to float, which nobody else is asked to do."""
    return torch.from_numpy(np.frombuffer(pixels, dtype=np.uint8).reshape(28, 28).copy())


def list_to_tensor(values: list[int]) -> torch.Tensor:
    """Tokens as a tensor."""
    return torch.tensor(values, dtype=torch.int32)


def open_table(job: Job) -> Epochs:
    """Make the loader as the tutorial does, with transforms where its default collate needs tensors."""
    transforms: dict[str, Callable[..., object]] = {
        "features": image_to_tensor,
        "tokens": list_to_tensor,
    }
    collate = {"collate_fn": list} if "image" in job.columns else {}
    loader = create_pytorch_dataloader(
        job.path,
        id_field=job.id_column,
        fields=[FieldSpec(name, transform=transforms.get(name)) for name in job.columns],
        batch_size=job.batch_size,
        num_workers=0,
        shuffle=bool(job.options.get("shuffle", False)),
        **collate,
    )

    def epoch() -> Iterator[int]:
        for batch in loader:
            yield len(batch) if isinstance(batch, list) else len(next(iter(batch.values())))

    return epoch
