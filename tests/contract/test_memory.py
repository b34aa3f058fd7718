"""What a consumer does with its batches is its own affair: it may keep them, edit them, or be slow."""

from __future__ import annotations

import gc
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest
import torch

from deltastream import DeltaDataset, FieldSpec, create_pytorch_dataloader
from tests.support.tables import base_ids, write_files

FILE_ROWS, NUM_FILES = 20_000, 4
NUM_ROWS = FILE_ROWS * NUM_FILES

TINY: list[dict[str, Any]] = [
    {"shuffle": False, "memory_budget": 1},
    {"shuffle": False, "memory_budget": 100_000},
    {"shuffle": True, "memory_budget": 4_000_000, "shuffle_nbytes": 1_000_000},
    {"shuffle": True, "memory_budget": 200_000, "shuffle_nbytes": 100_000, "lanes": 2},
    {"shuffle": True, "memory_budget": 12, "shuffle_nbytes": 1},
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """320 kB of ids, and as much again of what follows from them."""
    ids = np.arange(NUM_ROWS)
    parts = [
        pa.table(
            {
                "id": rows,
                "x": rows.astype(np.float32),
                "pair": pa.FixedSizeListArray.from_arrays(np.repeat(rows, 2), 2).cast(
                    pa.list_(pa.int64())
                ),
                "ragged": [[row] * (row % 3) for row in rows.tolist()],
                "flag": rows % 2 == 0,
            }
        )
        for rows in np.split(ids, NUM_FILES)
    ]
    root = tmp_path_factory.mktemp("memory") / "table"
    return write_files(root, parts, row_group_rows=5000)


def fields(*names: str) -> list[FieldSpec]:
    return [FieldSpec(name) for name in names]


def assert_true(batch: dict[str, Any]) -> None:
    ids = batch["id"]
    assert torch.equal(batch["x"], ids.float())
    assert torch.equal(batch["pair"], ids[:, None].expand(-1, 2))
    assert torch.equal(batch["flag"], ids % 2 == 0)
    assert [row.tolist() for row in batch["ragged"]] == [[i] * (i % 3) for i in ids.tolist()]


@pytest.mark.parametrize("options", TINY)
@pytest.mark.parametrize("batch_size", [100, 7001])
def test_a_consumer_that_keeps_every_batch_gets_them_all_within_any_budget(
    table: Path, batch_size: int, options: dict[str, Any]
) -> None:
    data = DeltaDataset(
        table, fields("id", "x", "pair", "ragged", "flag"), batch_size=batch_size, **options
    )
    kept = list(data)
    assert len(kept) == len(data)
    for batch in kept:
        assert_true(batch)
    ids = torch.cat([batch["id"] for batch in kept])
    assert torch.equal(ids.sort().values, torch.arange(NUM_ROWS))
    if not options["shuffle"]:
        assert ids.tolist() == base_ids(table)


@pytest.mark.parametrize("options", TINY[:3])
def test_workers_that_have_little_memory_give_every_batch(
    table: Path, options: dict[str, Any]
) -> None:
    loader = create_pytorch_dataloader(
        table, fields=fields("id", "x"), num_workers=2, batch_size=1000, **options
    )
    kept = list(loader)
    assert sorted(row for batch in kept for row in batch["id"].tolist()) == list(range(NUM_ROWS))
    assert all(torch.equal(batch["x"], batch["id"].float()) for batch in kept)


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_that_are_kept_are_not_written_over(table: Path, shuffle: bool) -> None:
    data = DeltaDataset(
        table,
        fields("id", "x", "pair", "ragged", "flag"),
        batch_size=1024,
        shuffle=shuffle,
        shuffle_rows=10_000,
        memory_budget=4_000_000,
    )
    # Every seventh batch is kept, so that buffers come back and are used again, over three epochs.
    kept = [batch for _ in range(3) for i, batch in enumerate(data) if i % 7 == 0]
    assert len(kept) > 30
    for batch in kept:
        assert_true(batch)


@pytest.mark.parametrize("shuffle", [False, True])
def test_one_row_that_is_kept_keeps_its_values(table: Path, shuffle: bool) -> None:
    data = DeltaDataset(
        table, fields("id", "pair"), batch_size=512, shuffle=shuffle, shuffle_rows=10_000
    )
    kept = [(int(batch["id"][0]), batch["pair"][0]) for _ in range(2) for batch in data]
    assert all(pair.tolist() == [row, row] for row, pair in kept)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("shuffle", [False, True])
def test_edits_in_place_show_up_in_no_other_batch(
    table: Path, shuffle: bool, num_workers: int
) -> None:
    loader = create_pytorch_dataloader(
        table,
        fields=fields("id", "x", "pair", "ragged", "flag"),
        batch_size=700,
        shuffle=shuffle,
        num_workers=num_workers,
    )
    seen = 0
    for batch in loader:
        assert_true(batch)
        seen += len(batch["id"])
        for name in ("id", "x", "pair"):
            batch[name].fill_(-1)
        batch["flag"].logical_not_()
        for row in batch["ragged"]:
            row.fill_(-1)
    assert seen == NUM_ROWS


@pytest.mark.parametrize(
    ("shuffle", "num_workers"),
    [
        (False, 0),
        (True, 0),
        (False, 2),
        (True, 2),
    ],
)
def test_edits_in_place_show_up_in_no_other_field(
    table: Path, shuffle: bool, num_workers: int
) -> None:
    loader = create_pytorch_dataloader(
        table,
        fields=[FieldSpec("x"), FieldSpec("x", target_name="same")],
        shuffle=shuffle,
        num_workers=num_workers,
    )
    batch = next(iter(loader))
    expected = batch["same"].clone()
    batch["x"].fill_(-1)
    assert torch.equal(batch["same"], expected)


def test_edits_do_not_reach_the_table(tmp_path: Path) -> None:
    # Pages that are neither compressed nor encoded: what is mapped could be what is decoded.
    rows = np.arange(10_000)
    deltalake.write_deltalake(
        tmp_path / "plain",
        pa.table({"id": rows, "x": rows.astype(np.float32)}),
        writer_properties=deltalake.WriterProperties(
            compression="UNCOMPRESSED",
            default_column_properties=deltalake.ColumnProperties(dictionary_enabled=False),
        ),
    )
    data = DeltaDataset(tmp_path / "plain", batch_size=1000)
    for batch in data:
        batch["x"].fill_(-1)
    for batch in data:
        assert torch.equal(batch["x"], batch["id"].float())


def test_a_slow_consumer_holds_no_more_than_its_budget(table: Path) -> None:
    budget = 400_000
    data = DeltaDataset(
        table,
        fields("id", "pair"),
        batch_size=1000,
        shuffle=True,
        lanes=1,
        shuffle_rows=5000,
        shuffle_nbytes=130_000,
        memory_budget=budget,
    )
    batches = iter(data)
    peak = 0
    for _ in batches:
        time.sleep(0.001)
        peak = max(peak, batches.statistics().budget.peak_nbytes)
    # The window that the consumer waits for is let in even where it does not fit: one window more.
    assert peak <= budget + 5000 * 24 * 2


def test_a_budget_of_a_byte_reads_a_window_at_a_time(table: Path) -> None:
    data = DeltaDataset(table, fields("id"), batch_size=1000, memory_budget=1)
    batches = iter(data)
    for _ in batches:
        pass
    statistics = batches.statistics()
    assert statistics.num_windows == 16
    assert statistics.budget.num_forced == 16
    # The batches' own, one not given back yet, one that waits and one that is decoded.
    assert statistics.budget.peak_nbytes <= 4 * 5000 * 8


def test_objects_count_as_what_they_are(tmp_path: Path) -> None:
    """200 bytes of Python objects in a row whose file has 8, and a consumer that is slow."""
    rows = [[row, row + 1] for row in range(FILE_ROWS)]
    part = pa.table({"pair": pa.array(rows, pa.list_(pa.int32()))})
    root = write_files(tmp_path / "table", [part] * NUM_FILES, row_group_rows=500)
    budget = 1_000_000
    loader = create_pytorch_dataloader(
        root, batch_size=100, memory_budget=budget, lanes=1, decode_threads=1, collate_fn=len
    )
    batches = iter(loader)
    peak = num_rows = 0
    for length in batches:
        num_rows += length
        time.sleep(0.0005)
        used = loader.statistics().budget.used_nbytes
        peak = max(peak, used)
    assert num_rows == NUM_ROWS
    assert budget / 2 < peak < 2 * budget


def test_columns_that_no_file_has_count(tmp_path: Path) -> None:
    parts = [pa.table({"id": np.arange(n * 1000, (n + 1) * 1000)}) for n in range(20)]
    late = pa.table({"id": [20_000], **{f"late_{i}": [0.0] for i in range(50)}})
    root = write_files(tmp_path / "table", parts)
    deltalake.write_deltalake(root, late, mode="append", schema_mode="merge")
    names = [f"late_{i}" for i in range(50)]
    data = DeltaDataset(
        root,
        [FieldSpec("id"), FieldSpec(names, target_name="late", fill_null=0.0)],
        batch_size=100,
        memory_budget=2_000_000,
    )
    batches = iter(data)
    peak = 0
    for _ in batches:
        time.sleep(0.001)
        peak = max(peak, batches.statistics().budget.used_nbytes)
    # Not less than it is: 408 bytes a row.
    assert peak <= 2_000_000 + 2 * 1000 * 408


def test_a_dropped_dataset_leaves_no_buffers_to_the_garbage_collector(table: Path) -> None:
    data = DeltaDataset(table, fields("id", "x"), batch_size=100, shuffle=True)
    kept = weakref.ref(data.progress.plan.buffers)
    gc.collect()
    gc.disable()
    try:
        next(iter(data))
        deque(data, maxlen=0)
        del data
        assert kept() is None
    finally:
        gc.enable()
