"""Pins the order for ever.

A training run that is resumed after an upgrade must go on in the order in which it began. So the files under
``tests/golden/`` must never be regenerated: where one of these tests fails, the code is wrong, whatever the reason for
its change. A new order needs a new name and new files beside these.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from deltastream.options import OrderOptions
from deltastream.plan import rows_of
from deltastream.plan.permutation import permutation
from tests.support.orders import TableSizes

GOLDEN = Path(__file__).parent.parent / "golden"


def golden(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((GOLDEN / name).read_text())
    assert cases
    return cases


def sha256(values: npt.NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, "<i8").tobytes()).hexdigest()


@pytest.mark.parametrize(
    "case", golden("permutations.json"), ids=lambda case: f"{case['key']}-{case['num_items']}"
)
def test_permutations_are_the_same_for_ever(case: dict[str, Any]) -> None:
    """The golden file must never be regenerated: runs are resumed in the order in which they began."""
    found = permutation(case["num_items"], *case["key"])
    if "items" in case:
        assert found.tolist() == case["items"]
    assert sha256(found) == case["sha256"]


@pytest.mark.parametrize("case", golden("epochs.json"), ids=lambda case: case["name"])
def test_the_rows_of_every_microbatch_are_the_same_for_ever(case: dict[str, Any]) -> None:
    """The golden file must never be regenerated: runs are resumed in the order in which they began."""
    table = TableSizes(tuple(map(tuple, case["row_groups"])), tuple(case["row_nbytes"]))
    options = OrderOptions(**case["options"])
    for number, expected in enumerate(case["epochs"]):
        order = table.order(options, lanes=case["lanes"], epoch=number)
        found = [rows_of(order, m, table.sizes) for m in range(order.num_microbatches)]
        if "microbatches" in expected:
            assert [rows.tolist() for rows in found] == expected["microbatches"]
        assert len(found) == expected["num_microbatches"]
        assert sha256(np.concatenate(found)) == expected["sha256"]
