"""Ranks: together they read the one sequence that a single rank reads, in equally many steps."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream import DeltaDataLoader, FieldSpec, OptionError, create_pytorch_dataloader
from tests.support.loaders import batch_ids, merge_ranks
from tests.support.tables import write_numbered

SIZES = (310, 250, 400, 1, 130, 512, 64)
NUM_ROWS = sum(SIZES)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("ranks") / "table", SIZES)


def loader(root: Path, rank: int = 0, num_ranks: int = 1, **options: Any) -> DeltaDataLoader:
    arguments = {
        "batch_size": 32,
        "lanes": 12,
        "shuffle": True,
        "shuffle_rows": 200,
        "version": len(SIZES) - 1,
    } | options
    return create_pytorch_dataloader(
        root,
        fields=[FieldSpec("id")],
        use_fixed_rank=True,
        rank=rank,
        num_ranks=num_ranks,
        **arguments,
    )


def ranks_batches(root: Path, num_ranks: int, **options: Any) -> list[list[list[int]]]:
    return [batch_ids(loader(root, rank, num_ranks, **options)) for rank in range(num_ranks)]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("num_ranks", [2, 3, 4])
def test_all_ranks_together_read_the_sequence_of_one_and_pad_its_end(
    table: Path, num_ranks: int, shuffle: bool
) -> None:
    expected = batch_ids(loader(table, shuffle=shuffle))
    ranks = ranks_batches(table, num_ranks, shuffle=shuffle)
    assert len({len(batches) for batches in ranks}) == 1
    assert all(len(batch) == 32 for batches in ranks for batch in batches)
    merged = merge_ranks(ranks)
    last = len(expected) - 1
    assert merged[:last] == expected[:last]
    # The short batch repeats its rows; a rank without a batch repeats the one before.
    short = expected[last]
    assert merged[last] == [short[i % len(short)] for i in range(32)]
    for extra in range(len(expected), len(merged)):
        assert merged[extra] == merged[extra - num_ranks]


def test_without_pad_the_ranks_give_every_row_once_and_may_end_unevenly(table: Path) -> None:
    expected = batch_ids(loader(table))
    ranks = ranks_batches(table, 4, pad=False)
    assert merge_ranks(ranks) == expected
    steps = [len(batches) for batches in ranks]
    assert steps == [len(loader(table, rank, 4, pad=False)) for rank in range(4)]
    assert max(steps) - min(steps) == 1


def test_with_drop_last_the_ranks_take_equal_steps_of_full_batches(table: Path) -> None:
    expected = batch_ids(loader(table, drop_last=True))
    assert [len(batch) for batch in expected] == [32] * (NUM_ROWS // 32)
    ranks = ranks_batches(table, 3, drop_last=True)
    assert [len(batches) for batches in ranks] == [NUM_ROWS // 32 // 3] * 3
    merged = merge_ranks(ranks)
    assert merged == expected[: len(merged)]


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("pad", [True, False, None])
@pytest.mark.parametrize("num_ranks", [1, 2, 4])
def test_len_is_exact_before_the_first_batch(
    table: Path, num_ranks: int, pad: bool | None, drop_last: bool
) -> None:
    for rank in range(num_ranks):
        one = loader(table, rank, num_ranks, pad=pad, drop_last=drop_last)
        length = len(one)
        assert len(batch_ids(one)) == length


def test_a_single_rank_may_be_padded_too(table: Path) -> None:
    batches = batch_ids(loader(table, pad=True))
    assert {len(batch) for batch in batches} == {32}
    assert len({row for batch in batches for row in batch}) == NUM_ROWS


def test_ranks_with_workers_read_the_same(table: Path) -> None:
    for rank in range(2):
        expected = batch_ids(loader(table, rank, 2))
        assert batch_ids(loader(table, rank, 2, num_workers=2)) == expected


def test_consumers_that_do_not_divide_the_lanes_read_the_same_with_a_warning(table: Path) -> None:
    expected = batch_ids(loader(table, lanes=8))
    ranks = []
    for rank in range(3):
        with pytest.warns(
            UserWarning, match="3 consumers do not divide 8 lanes: each reads 3 times"
        ):
            ranks.append(batch_ids(loader(table, rank, 3, lanes=8, pad=False)))
    assert merge_ranks(ranks) == expected


@given(
    num_ranks=st.integers(1, 5),
    lanes=st.integers(1, 9),
    batch_size=st.sampled_from([1, 7, 32, 100, 300]),
    shuffle=st.booleans(),
    decode_threads=st.sampled_from([1, 2, 8]),
    drop_last=st.booleans(),
    order_seed=st.integers(0, 2**63 - 1),
)
def test_for_any_topology_the_ranks_give_the_one_sequence(
    table: Path,
    num_ranks: int,
    batch_size: int,
    decode_threads: int,
    order_seed: int,
    **options: Any,
) -> None:
    options |= {"batch_size": batch_size, "seed": order_seed, "pad": False}
    expected = batch_ids(loader(table, decode_threads=1, **options))
    assert len({row for batch in expected for row in batch}) == sum(map(len, expected))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*consumers do not divide", category=UserWarning)
        ranks = ranks_batches(table, num_ranks, decode_threads=decode_threads, **options)
    merged = merge_ranks(ranks)
    if options["drop_last"]:
        assert len(merged) == len(expected) // num_ranks * num_ranks
    else:
        assert sum(map(len, expected)) == NUM_ROWS
        assert len(merged) == len(expected)
    assert merged == expected[: len(merged)]


def test_ranks_without_a_store_in_common_are_told_to_name_the_version(table: Path) -> None:
    with pytest.warns(UserWarning, match="2 ranks without a store in common.*give version="):
        loader(table, 0, 2, version=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_fixed_rank": True}, "needs rank and num_ranks"),
        ({"use_fixed_rank": True, "rank": 0}, "needs rank and num_ranks"),
        ({"rank": 0, "num_ranks": 2}, "use_fixed_rank=True only"),
        ({"use_fixed_rank": True, "rank": 2, "num_ranks": 2}, "0 <= rank < num_ranks"),
        ({"use_fixed_rank": True, "rank": -1, "num_ranks": 2}, "0 <= rank < num_ranks"),
        (
            {"use_fixed_rank": True, "rank": 0, "num_ranks": 3, "batch_size": 1000},
            "2 microbatches are too few for 3 ranks",
        ),
    ],
)
def test_ranks_that_cannot_be_are_refused_when_the_loader_is_made(
    table: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        create_pytorch_dataloader(table, version=len(SIZES) - 1, **options)


def test_the_rank_comes_from_torchruns_environment(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    from_environment = create_pytorch_dataloader(
        table, fields=[FieldSpec("id")], version=len(SIZES) - 1, lanes=12
    )
    expected = batch_ids(loader(table, 1, 2, shuffle=False))
    assert batch_ids(from_environment) == expected
