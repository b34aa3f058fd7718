"""The state as a value, and as JSON from who knows where."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deltastream.dataset.state import LoaderState, abbreviate
from deltastream.errors import OptionError

STATE = LoaderState(
    table_uri="/data/clicks",
    table_id="9f1c",
    version=7,
    num_rows=1000,
    columns="id, x",
    filter=None,
    partition_filter=None,
    shuffle=True,
    seed=3,
    shuffle_rows=100,
    shuffle_nbytes=1 << 20,
    batch_size=32,
    lanes=12,
    drop_last=False,
    pad=None,
    epoch=2,
    next_microbatch=40,
)
OF_WORKER = replace(STATE, num_workers=2, worker=1, num_batches=5)


@pytest.mark.parametrize("state", [STATE, OF_WORKER])
def test_a_state_comes_back_from_json_as_it_was(state: LoaderState) -> None:
    text = json.dumps(state.to_dict())
    assert LoaderState.from_dict(json.loads(text)) == state
    assert len(text) < 600


@pytest.mark.parametrize("state", [None, [], {}, {"_snapshot": {}}])
def test_what_is_no_state_of_ours_is_refused(state: Any) -> None:
    with pytest.raises(OptionError, match="no state of a deltastream loader"):
        LoaderState.from_dict(state)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_is_refused(version: Any) -> None:
    with pytest.raises(OptionError, match=f"format {version!r}.* reads 1"):
        LoaderState.from_dict({**STATE.to_dict(), "format": version})


@pytest.mark.parametrize("state", [STATE, OF_WORKER])
def test_a_state_without_one_of_its_values_is_refused(state: LoaderState) -> None:
    for name in set(state.to_dict()) - {"format", "num_workers"}:
        damaged = state.to_dict()
        del damaged[name]
        with pytest.raises(OptionError, match=f"has no {name}: it is damaged"):
            LoaderState.from_dict(damaged)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("table_id", 3),
        ("version", -1),
        ("version", True),
        ("version", "7"),
        ("shuffle", 1),
        ("seed", 0.5),
        ("batch_size", 0),
        ("lanes", 0),
        ("epoch", None),
        ("next_microbatch", -1),
        ("pad", "auto"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"{name} cannot be {value!r}: it is damaged"):
        LoaderState.from_dict({**STATE.to_dict(), name: value})


def test_differences_name_each_value_of_either() -> None:
    other = replace(STATE, seed=4, columns="id")
    assert STATE.differences(other) == [
        "columns: the state has 'id, x', this loader 'id'",
        "seed: the state has 3, this loader 4",
    ]
    # What may change from one start to the next is no difference.
    assert not STATE.differences(replace(STATE, epoch=0, next_microbatch=0, lanes=1, batch_size=8))


def test_long_texts_are_equal_if_their_abbreviations_are() -> None:
    long, other = "x" * 500, "x" * 499 + "y"
    assert abbreviate("short") == "short"
    assert len(abbreviate(long)) < 100
    assert abbreviate(long) == abbreviate("x" * 500)
    assert abbreviate(long) != abbreviate(other)
