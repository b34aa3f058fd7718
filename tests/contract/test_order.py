"""One order: a function of (table, version, seed, epoch, lanes), whoever reads it, however it is stored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import deltalake
import pytest
from torch.utils.data import DataLoader

from deltastream import DeltaDataLoader, DeltaDataset, FieldSpec, create_pytorch_dataloader
from tests.support.loaders import batch_ids, delay_reads, row_ids
from tests.support.tables import base_ids, write_numbered

SIZES = (310, 250, 400, 1, 130, 512, 64)
LANES = 12

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("order") / "table", SIZES)


def loader(root: Path, **options: Any) -> DeltaDataLoader:
    arguments = {"batch_size": 32, "lanes": LANES, "shuffle": True, "shuffle_rows": 200} | options
    return create_pytorch_dataloader(root, fields=[FieldSpec("id")], **arguments)


def epoch_ids(root: Path, epoch: int, **options: Any) -> list[int]:
    """What one thread of this process reads: what everything else is compared with."""
    single = loader(root, decode_threads=1, **options)
    single.set_epoch(epoch)
    return row_ids(single)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("num_workers", [0, 1, 2, 3, 4])
def test_the_order_does_not_depend_on_the_number_of_workers(
    table: Path, num_workers: int, shuffle: bool
) -> None:
    many = loader(table, num_workers=num_workers, shuffle=shuffle)
    assert row_ids(many) == epoch_ids(table, 0, shuffle=shuffle)


@pytest.mark.parametrize("context", ["fork", "forkserver", "spawn"])
def test_the_order_does_not_depend_on_how_workers_start(table: Path, context: str) -> None:
    many = loader(table, num_workers=2, multiprocessing_context=context, persistent_workers=True)
    assert row_ids(many) == epoch_ids(table, 0)
    assert row_ids(many) == epoch_ids(table, 1)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("decode_threads", [1, 2, 8])
def test_the_order_does_not_depend_on_threads_or_on_when_reads_end(
    table: Path, decode_threads: int, shuffle: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = epoch_ids(table, 0, shuffle=shuffle)
    for draw in range(3):
        delay_reads(monkeypatch, seed + draw)
        assert row_ids(loader(table, decode_threads=decode_threads, shuffle=shuffle)) == expected


def test_the_order_does_not_depend_on_when_the_reads_of_workers_end(
    table: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = epoch_ids(table, 0)
    delay_reads(monkeypatch, seed)
    many = loader(table, num_workers=2, decode_threads=2, multiprocessing_context="fork")
    assert row_ids(many) == expected


def test_the_order_does_not_depend_on_the_memory_budget(table: Path) -> None:
    options = {"shuffle_nbytes": 4096}
    tight = loader(table, memory_budget=12 * 4096, **options)
    assert row_ids(tight) == epoch_ids(table, 0, **options)


@pytest.mark.parametrize("stored", ["checkpoint", "checkpoint and JSON"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_order_does_not_depend_on_how_the_log_is_stored(
    table: Path, tmp_path: Path, stored: str, shuffle: bool
) -> None:
    expected = epoch_ids(table, 0, shuffle=shuffle)
    copy = tmp_path / "copy"
    shutil.copytree(table, copy)
    log = copy / "_delta_log"
    last = len(SIZES) - 1
    version = last if stored == "checkpoint" else 3
    later = {path: path.read_bytes() for path in log.glob("*.json")}
    for path in later:
        if int(path.stem) > version:
            path.unlink()
    deltalake.DeltaTable(copy).create_checkpoint()
    for path, content in later.items():
        if int(path.stem) > version:
            path.write_bytes(content)
        elif path.exists():
            path.unlink()
    assert list(log.glob("*.checkpoint.parquet"))
    assert len(list(log.glob("*.json"))) == last - version
    assert epoch_ids(copy, 0, shuffle=shuffle) == expected


def test_without_shuffle_and_with_one_lane_rows_come_in_base_order(table: Path) -> None:
    plain = loader(table, shuffle=False, lanes="auto")
    assert row_ids(plain) == base_ids(table)
    assert row_ids(plain) == base_ids(table)


def test_every_epoch_has_every_row_once_in_another_order(table: Path) -> None:
    shuffled = loader(table)
    epochs = [row_ids(shuffled) for _ in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(sum(SIZES)))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_another_seed_gives_another_order_and_the_same_seed_the_same(table: Path) -> None:
    assert epoch_ids(table, 0, seed=1) == epoch_ids(table, 0, seed=1)
    assert epoch_ids(table, 0, seed=1) != epoch_ids(table, 0, seed=2)


def test_all_batches_are_full_but_the_last_of_the_epoch(table: Path) -> None:
    sizes = [len(batch) for batch in batch_ids(loader(table))]
    assert sizes == [32] * (sum(SIZES) // 32) + [sum(SIZES) % 32]


def test_a_table_that_grows_is_read_as_it_was(table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(table, copy)
    expected = epoch_ids(copy, 0)
    before = loader(copy)
    write_numbered(copy, [100])
    assert row_ids(before) == expected
    assert epoch_ids(copy, 0, version=len(SIZES) - 1) == expected
    assert len(row_ids(loader(copy))) == sum(SIZES) + 100


@pytest.mark.parametrize(
    "options",
    [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}],
    ids=["no workers", "workers", "persistent workers"],
)
def test_epochs_advance_by_themselves_and_set_epoch_repeats_one(
    table: Path, options: dict[str, Any]
) -> None:
    shuffled = loader(table, **options)
    assert [row_ids(shuffled) for _ in range(2)] == [epoch_ids(table, e) for e in (0, 1)]
    shuffled.set_epoch(7)
    assert [row_ids(shuffled) for _ in range(2)] == [epoch_ids(table, e) for e in (7, 8)]
    shuffled.set_epoch(0)
    assert row_ids(shuffled) == epoch_ids(table, 0)


def test_an_epoch_that_was_left_early_counts_as_one(table: Path) -> None:
    shuffled = loader(table)
    for _ in shuffled:
        break
    assert row_ids(shuffled) == epoch_ids(table, 1)


@pytest.mark.parametrize("persistent", [False, True])
def test_an_epoch_that_was_left_early_counts_as_one_in_every_worker(
    table: Path, persistent: bool
) -> None:
    shuffled = loader(table, num_workers=2, persistent_workers=persistent)
    for _ in shuffled:
        break
    assert row_ids(shuffled) == epoch_ids(table, 1)


def dataset(root: Path) -> DeltaDataset:
    return DeltaDataset(
        root, [FieldSpec("id")], batch_size=32, lanes=LANES, shuffle=True, shuffle_rows=200
    )


@pytest.mark.parametrize("persistent", [False, True])
def test_torchs_own_dataloader_gives_the_same_order(table: Path, persistent: bool) -> None:
    data = dataset(table)
    plain = DataLoader(data, batch_size=None, num_workers=2, persistent_workers=persistent)
    assert len(plain) == len(data)
    assert [row_ids(plain) for _ in range(2)] == [epoch_ids(table, e) for e in (0, 1)]
    data.set_epoch(0)
    assert row_ids(plain) == epoch_ids(table, 0)


@pytest.mark.parametrize("first_workers", [0, 1])
def test_loaders_with_other_numbers_of_workers_may_share_a_dataset(
    table: Path, first_workers: int
) -> None:
    data = dataset(table)
    row_ids(DataLoader(data, batch_size=None, num_workers=first_workers))
    ids = row_ids(DataLoader(data, batch_size=None, num_workers=2))
    assert sorted(ids) == list(range(sum(SIZES)))
    assert ids == epoch_ids(table, 1)
