"""Transforms that workers can import."""

from __future__ import annotations

import numpy as np
import torch

__all__ = [
    "BinaryToFloatTensor",
    "add_one",
    "fail_at_seven",
    "ids_but_not_700",
    "image_to_mean",
    "not_700",
]


class BinaryToFloatTensor:
    """As in deltatorch's tutorial."""

    def __call__(self, pic: bytes) -> torch.Tensor:
        np_array = np.frombuffer(pic, dtype=np.uint8).reshape(28, 28).copy()
        return torch.from_numpy(np_array).float()


def add_one(value: int) -> int:
    return value + 1


def fail_at_seven(value: int) -> int:
    if value == 7:
        raise LookupError("seven")
    return value


def not_700(value: int) -> int:
    if value == 700:
        raise LookupError("700")
    return value


def ids_but_not_700(rows: list[dict[str, int]]) -> dict[str, torch.Tensor]:
    """A collate_fn."""
    return {"id": torch.tensor([not_700(row["id"]) for row in rows])}


def image_to_mean(image: object) -> float:
    return float(np.asarray(image).mean())
