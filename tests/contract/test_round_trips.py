"""How many requests a first batch waits for, one after the other: the listing, the log, a footer, a row group."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pytest

from deltastream import DeltaDataset
from tests.support.faults.proxy import run_proxy
from tests.support.faults.settings import Latency, Settings
from tests.support.servers.store import ObjectStore
from tests.support.tables import write_files

LATENCY_S = 0.2
"""Long against everything else that takes time, so that what waits for another begins after its end."""

NUM_ROWS = 40_000
"""Of 320 kB, so that the first row group does not come with the footer."""


def numbers(seed: int) -> pa.Table:
    return pa.table({"x": np.random.default_rng(seed).random(NUM_ROWS)})


def lists(seed: int) -> pa.Table:
    values = pa.array(np.random.default_rng(seed).random(NUM_ROWS))
    return pa.table(
        {"v": pa.FixedSizeListArray.from_arrays(values, 4).cast(pa.list_(pa.float64()))}
    )


@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
@pytest.mark.parametrize("with_checkpoint", [False, True])
@pytest.mark.parametrize(
    ("make", "most"),
    [
        (numbers, 4),
        # How long lists are, only values say: a footer and a row group more, once, while the dataset is made.
        (lists, 6),
    ],
)
def test_a_first_batch_waits_for_few_requests(
    make: Callable[[int], pa.Table],
    most: int,
    with_checkpoint: bool,
    transport: str,
    s3: ObjectStore,
    tmp_path: Path,
) -> None:
    root = write_files(tmp_path / "t", [make(seed) for seed in range(8)], row_group_rows=4000)
    if with_checkpoint:
        deltalake.DeltaTable(root).create_checkpoint()
    uri = s3.upload(root, f"round-trips/{tmp_path.name}")
    with run_proxy(s3.port, tmp_path / "proxy", with_log=True) as proxy:
        proxy.set(Settings(latency=Latency.fixed(LATENCY_S)))
        options = dict(s3.via(proxy.port).storage_options)
        batches = iter(
            DeltaDataset(uri, batch_size=256, storage_options=options, transport=transport)
        )
        next(batches)
        # What is still on its way is not in the log.
        log = (tmp_path / "proxy" / "requests.jsonl").read_text().splitlines()
        batches.close()
    spans = [
        (each["started_s"], each["started_s"] + each["elapsed_s"]) for each in map(json.loads, log)
    ]
    assert longest_chain(spans) <= most


def longest_chain(spans: Sequence[tuple[float, float]]) -> int:
    """Return how many of some intervals lie one after the other, at most."""
    count, end = 0, 0.0
    for start, stop in sorted(spans, key=lambda span: span[1]):
        if start >= end:
            count, end = count + 1, stop
    return count
