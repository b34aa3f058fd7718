"""Copies of a dataset: each counts epochs for itself, with its workers, wherever it was copied to."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from deltastream import DeltaDataset, FieldSpec, create_pytorch_dataloader
from tests.support.tables import write_numbered

COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("copies") / "t", [40, 40], row_group_rows=10)


def ids(batches: Any) -> list[int]:
    return torch.cat([batch["id"] for batch in batches]).tolist()


def dataset(table: Path) -> DeltaDataset:
    return DeltaDataset(table, [FieldSpec("id")], batch_size=8, shuffle=True, lanes=2)


@pytest.fixture(scope="module")
def epochs(table: Path) -> list[list[int]]:
    data = dataset(table)
    return [ids(data) for _ in range(6)]


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_copy_counts_epochs_in_its_workers(
    table: Path, epochs: list[list[int]], name: str, persistent: bool
) -> None:
    options = {
        "num_workers": 2,
        "persistent_workers": persistent,
        "multiprocessing_context": "fork",
    }
    data = dataset(table)
    assert ids(data) == epochs[0]
    copied = DataLoader(COPIES[name](data), batch_size=None, **options)
    assert [ids(copied) for _ in range(3)] == epochs[1:4]
    assert ids(data) == epochs[1]


@pytest.mark.parametrize("persistent", [False, True])
def test_a_copied_loader_is_set_to_an_epoch_and_saves_it(
    table: Path, epochs: list[list[int]], persistent: bool
) -> None:
    loader = copy.deepcopy(
        create_pytorch_dataloader(
            table,
            fields=[FieldSpec("id")],
            batch_size=8,
            shuffle=True,
            lanes=2,
            num_workers=2,
            persistent_workers=persistent,
            multiprocessing_context="fork",
        )
    )
    assert ids(loader) == epochs[0]
    loader.set_epoch(4)
    assert ids(loader) == epochs[4]
    batches = iter(loader)
    begun = ids([next(batches), next(batches)])
    state = loader.state_dict()
    assert state["epoch"] == 5
    other = dataset(table)
    other.load_state_dict(state)
    assert begun + ids(other) == epochs[5]


def read_twice(data: DeltaDataset, answers: Any) -> None:
    answers.put([ids(data), ids(data)])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_were_given_a_dataset_count_each_for_itself(
    table: Path, epochs: list[list[int]], method: str
) -> None:
    context: Any = multiprocessing.get_context(method)
    data, answers = dataset(table), context.Queue()
    assert ids(data) == epochs[0]
    processes = [context.Process(target=read_twice, args=(data, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in processes] == [epochs[1:3], epochs[1:3]]
    for process in processes:
        process.join()
    assert ids(data) == epochs[1]


def collate(batch: Any) -> list[int]:
    return list(batch["id"].tolist())


def test_a_plain_loader_collates_what_its_workers_read(table: Path) -> None:
    data = DeltaDataset(table, [FieldSpec("id")], batch_size=8)
    loader = DataLoader(data, batch_size=None, collate_fn=collate, num_workers=2)
    assert sorted(chain.from_iterable(loader)) == list(range(80))
