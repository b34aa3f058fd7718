"""torchdata's StatefulDataLoader asks the dataset of each worker for its state, and gives it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torchdata.stateful_dataloader import StatefulDataLoader

from deltastream import DeltaDataset, FieldSpec, OptionError
from tests.support.loaders import batch_ids
from tests.support.tables import write_numbered
from tests.support.workers import raises_in_worker

SIZES = (310, 250, 400, 1, 130, 512, 64)

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create:UserWarning",
    # torchdata 0.11 says nothing of it: torch 2.13 does.
    "ignore:'set_vital' is deprecated:UserWarning",
)

WORKERS = [
    pytest.param({"num_workers": 0}, id="no workers"),
    pytest.param({"num_workers": 2}, id="workers"),
    pytest.param({"num_workers": 3, "snapshot_every_n_steps": 5}, id="few snapshots"),
    pytest.param({"num_workers": 2, "persistent_workers": True}, id="persistent"),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("stateful") / "table", SIZES)


def dataset(root: Path, **options: Any) -> DeltaDataset:
    arguments = {"batch_size": 32, "lanes": 12, "shuffle": True, "shuffle_rows": 200} | options
    return DeltaDataset(root, [FieldSpec("id")], **arguments)


def loader(data: DeltaDataset, **options: Any) -> StatefulDataLoader:
    return StatefulDataLoader(data, batch_size=None, **options)


def take(batches: Any, number: int) -> list[list[int]]:
    return [next(batches)["id"].tolist() for _ in range(number)]


@pytest.fixture(scope="module")
def expected(table: Path) -> list[list[list[int]]]:
    data = dataset(table)
    return [batch_ids(data) for _ in range(4)]


@pytest.mark.parametrize("steps", [0, 3, 20, 52])
@pytest.mark.parametrize("options", WORKERS)
def test_what_follows_is_what_would_have_followed(
    table: Path, expected: list[list[list[int]]], options: dict[str, Any], steps: int
) -> None:
    first = loader(dataset(table), **options)
    taken = take(iter(first), steps)
    state = json.loads(json.dumps(first.state_dict()))
    second = loader(dataset(table), **options)
    second.load_state_dict(state)
    assert taken + batch_ids(second) == expected[0]
    assert batch_ids(second) == expected[1]
    # Back in a process that is an epoch further.
    second.load_state_dict(state)
    assert taken + batch_ids(second) == expected[0]
    assert batch_ids(second) == expected[1]


@pytest.mark.parametrize("options", WORKERS)
def test_after_an_epoch_comes_the_next_one(
    table: Path, expected: list[list[list[int]]], options: dict[str, Any]
) -> None:
    first = loader(dataset(table), **options)
    assert batch_ids(first) == expected[0]
    state = first.state_dict()
    second = loader(dataset(table), **options)
    second.load_state_dict(state)
    assert batch_ids(second) == expected[1]
    assert batch_ids(second) == expected[2]


@pytest.mark.parametrize("options", WORKERS)
def test_a_state_that_was_resumed_can_be_saved_again(
    table: Path, expected: list[list[list[int]]], options: dict[str, Any]
) -> None:
    found: list[list[int]] = []
    state: dict[str, Any] | None = None
    for steps in (5, 1, 18, 7):
        one = loader(dataset(table), **options)
        if state is not None:
            one.load_state_dict(state)
        found += take(iter(one), steps)
        state = one.state_dict()
    assert found == expected[0][:31]


def test_spawned_workers_take_up_their_states_too(
    table: Path, expected: list[list[list[int]]]
) -> None:
    options = {"num_workers": 2, "multiprocessing_context": "spawn"}
    first = loader(dataset(table), **options)
    taken = take(iter(first), 21)
    second = loader(dataset(table), **options)
    second.load_state_dict(first.state_dict())
    assert taken + batch_ids(second) == expected[0]
    assert batch_ids(second) == expected[1]


def test_another_number_of_workers_is_refused(table: Path) -> None:
    first = loader(dataset(table), num_workers=2)
    take(iter(first), 5)
    state = first.state_dict()
    second = loader(dataset(table), num_workers=3)
    second.load_state_dict(state)
    with raises_in_worker(
        OptionError, match=r"state of worker \d of 2, loaded into worker \d of 3"
    ):
        take(iter(second), 1)


def test_a_state_that_does_not_fit_is_refused(table: Path) -> None:
    first = loader(dataset(table), num_workers=2)
    take(iter(first), 5)
    second = loader(dataset(table, seed=3), num_workers=2)
    second.load_state_dict(first.state_dict())
    with raises_in_worker(OptionError, match="seed: the state has 0, this loader 3"):
        take(iter(second), 1)
