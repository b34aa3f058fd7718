"""Batches of every kind, and a process that sends them as a worker of a DataLoader does."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from deltastream.batch import PackedBatch
from deltastream.batch.binary import BinaryValues
from deltastream.batch.forms import nested_tensor

__all__ = ["BATCHES", "send_batches"]

_FLAT = torch.arange(24)

BATCHES: dict[str, Callable[[], dict[str, Any]]] = {
    "tensors": lambda: {
        "i8": torch.arange(3, dtype=torch.int8),
        "f8": torch.arange(6, dtype=torch.float64).view(3, 2),
        "bool": torch.tensor([True, False, True]),
        "image": torch.arange(3 * 2 * 5, dtype=torch.uint8).view(3, 2, 5),
        "f2": torch.ones(3, dtype=torch.float16),
    },
    "views that do not lie end to end": lambda: {
        "t": _FLAT.view(4, 6).T[1:4],
        "step": _FLAT[::5],
        "expanded": torch.ones(1).expand(7),
    },
    "a scalar and no rows": lambda: {
        "scalar": torch.tensor(3.5),
        "none": torch.empty(0, 3, dtype=torch.float32),
        "after": torch.tensor([1, 2]),
    },
    "only empty tensors": lambda: {"none": torch.empty(0, 3), "nor": torch.empty(0)},
    "no tensors": lambda: {"text": ["a", None, "ü"], "bytes": [b"a", b""], "n": 3},
    "nothing": dict,
    "ragged": lambda: {
        "rows": [torch.arange(n, dtype=torch.int32) for n in (3, 0, 2)],
        "missing": [None, torch.tensor([1.5]), None],
        "all missing": [None, None],
        "empty": [torch.empty(0), torch.empty(0)],
    },
    "binary": lambda: {
        "bytes": BinaryValues([memoryview(b"abc"), None, memoryview(b""), memoryview(b"d")]),
        "empty": BinaryValues([memoryview(b"")]),
        "inside": {"a": BinaryValues([memoryview(b"ab"), None])},
    },
    "lists of other tensors": lambda: {
        "dtypes": [torch.tensor([1, 2]), torch.tensor([0.5, 1.5])],
        "matrices": [torch.ones(2, 2), torch.zeros(1, 2)],
        "mixed": [torch.tensor([1]), "text"],
    },
    "nested": lambda: {"pair": (torch.tensor([1, 2]), {"a": torch.tensor([0.5])}), "list": []},
    "dicts": lambda: {
        "s": {
            "a": torch.arange(3),
            "t": {"b": torch.ones(3, dtype=torch.bfloat16), "c": ["x"] * 3},
        },
        "s_mask": torch.tensor([True, False, True]),
        "offsets": {"values": torch.arange(5), "offsets": torch.tensor([0, 2, 2, 5])},
        "empty": {},
    },
    "matrices of several heights": lambda: {
        "rows": [torch.ones(2, 3), None, torch.zeros(0, 3), torch.full((1, 3), 7.0)]
    },
    "nested tensors": lambda: {
        "flat": nested_tensor(torch.arange(5), torch.tensor([0, 2, 2, 5])),
        "deep": {"x": nested_tensor(torch.ones(3, 2), torch.tensor([0, 3]))},
        "none": nested_tensor(torch.empty(0), torch.tensor([0, 0])),
    },
    "many": lambda: {f"c{i}": torch.full((64,), i, dtype=torch.float32) for i in range(200)},
    "a view of a large chunk": lambda: {"x": torch.from_numpy(np.arange(1 << 20))[5:9]},
}


def send_batches(connection: Connection) -> None:
    """Send what is asked for by name, until None is."""
    while (asked := connection.recv()) is not None:
        name, unpacked = asked
        packed = PackedBatch(BATCHES[name]())
        connection.send(packed.unpack() if unpacked else packed)
