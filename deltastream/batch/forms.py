"""Owns the forms that a batch's ragged rows take: a list, values and offsets, padded, or a nested tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from deltastream.batch.allocate import AnyArray
from deltastream.batch.layout import Field
from deltastream.batch.ragged import RaggedRows

__all__ = ["nested_tensor", "present", "tensor_of"]


def tensor_of(array: AnyArray, *, is_bfloat16: bool) -> torch.Tensor:
    """Return the tensor that views `array`."""
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if is_bfloat16 else tensor


def present(field: Field, rows: RaggedRows, mask: Any) -> Any:
    """Return the rows of one batch in the field's form; `mask` is False where one is null.

    Values are views of the rows' memory, but for those that are padded.
    """
    values = tensor_of(rows.own_values, is_bfloat16=field.is_bfloat16)
    match field.form:
        case "list":
            return _list(values, rows, mask)
        case "offsets":
            return {"values": values, "offsets": _offsets(rows)}
        case "padded":
            return _padded(field, rows)
        case "nested":
            return nested_tensor(values, _offsets(rows))


def nested_tensor(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return the jagged nested tensor of these values."""
    tensor: torch.Tensor = torch.nested.nested_tensor_from_jagged(values, offsets)
    return tensor


def _offsets(rows: RaggedRows) -> torch.Tensor:
    return torch.from_numpy(rows.offsets - rows.offsets[0])


def _list(values: torch.Tensor, rows: RaggedRows, mask: Any) -> list[torch.Tensor | None]:
    # "unsafe": autograd takes them for tensors of their own, not for views.
    parts = torch.unsafe_split_with_sizes(values, rows.lengths.tolist())
    if mask is None:
        return list(parts)
    return [part if is_here else None for part, is_here in zip(parts, mask.tolist(), strict=True)]


def _padded(field: Field, rows: RaggedRows) -> dict[str, torch.Tensor]:
    own, lengths = rows.own_values, rows.lengths
    longest = int(lengths.max(initial=0))
    padded = np.full((len(rows), longest, *field.shape), field.padding, own.dtype)
    padded[np.arange(longest) < lengths[:, None]] = own
    return {
        "values": tensor_of(padded, is_bfloat16=field.is_bfloat16),
        "lengths": torch.from_numpy(lengths),
    }
