"""A saved state: whoever goes on from it reads what the first one would have read next."""

from __future__ import annotations

import gc
import json
import multiprocessing
import shutil
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from deltastream import (
    DeltaDataLoader,
    DeltaDataset,
    FieldSpec,
    MemoryBudgetError,
    OptionError,
    TransformError,
    VersionNotFoundError,
    create_pytorch_dataloader,
)
from tests.support.loaders import batch_ids, row_ids
from tests.support.tables import write_numbered
from tests.support.transforms import ids_but_not_700, not_700
from tests.support.vectors import numbered_files, write_files_with_vectors
from tests.support.workers import raises_in_worker

SIZES = (310, 250, 400, 1, 130, 512, 64)
NUM_ROWS = sum(SIZES)
WORKERS = [
    pytest.param({}, id="no workers"),
    pytest.param({"num_workers": 2}, id="workers"),
    pytest.param({"num_workers": 2, "persistent_workers": True}, id="persistent"),
    pytest.param({"num_workers": 3, "prefetch_factor": 4}, id="prefetch"),
]

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create:UserWarning", "ignore:.*do not divide:UserWarning"
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("resume") / "table", SIZES)


def loader(root: Path, **options: Any) -> DeltaDataLoader:
    arguments = {"batch_size": 32, "lanes": 12, "shuffle": True, "shuffle_rows": 200} | options
    return create_pytorch_dataloader(root, fields=[FieldSpec("id")], **arguments)


def rank_loader(root: Path, rank: int, num_ranks: int, **options: Any) -> DeltaDataLoader:
    fixed = {"use_fixed_rank": True, "rank": rank, "num_ranks": num_ranks, "version": 6}
    return loader(root, **fixed | options)


def take(batches: Any, number: int) -> list[list[int]]:
    return [next(batches)["id"].tolist() for _ in range(number)]


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """The state after its way through a file."""
    back: dict[str, Any] = json.loads(json.dumps(state))
    return back


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("after", WORKERS)
@pytest.mark.parametrize("before", WORKERS)
def test_what_follows_is_what_would_have_followed(
    table: Path, before: dict[str, Any], after: dict[str, Any], shuffle: bool
) -> None:
    expected = [batch_ids(one) for one in [loader(table, shuffle=shuffle)] * 2]
    first = loader(table, shuffle=shuffle, **before)
    taken = take(iter(first), 19)
    state = saved(first.state_dict())
    assert (state["epoch"], state["next_microbatch"]) == (0, 19)
    second = loader(table, shuffle=shuffle, **after)
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert len(second) == len(expected[0]) - 19
    rest = batch_ids(second)
    assert taken + rest == expected[0]
    # And the epochs after it.
    assert len(second) == len(expected[1])
    assert batch_ids(second) == expected[1]


@pytest.mark.parametrize("options", WORKERS)
def test_states_of_an_epoch_count_what_was_yielded(table: Path, options: dict[str, Any]) -> None:
    one = loader(table, **options)
    length = len(one)
    position = [(one.state_dict()["epoch"], one.state_dict()["next_microbatch"])]
    for _ in one:
        assert len(one) == length
        position.append((one.state_dict()["epoch"], one.state_dict()["next_microbatch"]))
    assert position == [*((0, i) for i in range(length)), (1, 0)]
    assert one.state_dict()["epoch"] == 1
    next(iter(one))
    assert (one.state_dict()["epoch"], one.state_dict()["next_microbatch"]) == (1, 1)


@pytest.mark.parametrize("is_collated", [True, False])
@pytest.mark.parametrize("options", WORKERS)
def test_an_error_is_final_and_the_state_stays_before_its_batch(
    table: Path, options: dict[str, Any], is_collated: bool
) -> None:
    fails: dict[str, Any] = {"collate_fn": ids_but_not_700}
    if not is_collated:
        fails = {"fields": [FieldSpec("id", transform=not_700)]}
    fixed = {"batch_size": 32, "lanes": 1, "shuffle": False, **options}
    one = create_pytorch_dataloader(table, **{"fields": [FieldSpec("id")], **fixed, **fails})
    taken: list[list[int]] = []
    batches = iter(one)
    with raises_in_worker((LookupError, TransformError), match="700"):
        while True:
            taken += take(batches, 1)
    for _ in range(3):
        with raises_in_worker((LookupError, TransformError), match="700"):
            next(batches)
    if is_collated:
        assert len(taken) == 700 // 32
    state = one.state_dict()
    assert (state["epoch"], state["next_microbatch"]) == (0, len(taken))
    del batches
    again = create_pytorch_dataloader(table, **{"fields": [FieldSpec("id")], **fixed})
    again.load_state_dict(state)
    rows = [row for batch in taken + batch_ids(again) for row in batch]
    assert rows == list(range(NUM_ROWS))


def test_an_error_that_was_caught_keeps_no_workers(table: Path) -> None:
    gc.collect()
    gc.disable()
    try:

        def run() -> None:
            one = loader(table, collate_fn=ids_but_not_700, num_workers=2, persistent_workers=True)
            batches = iter(one)
            with pytest.raises(LookupError, match="700"):
                deque(batches, maxlen=0)
            with pytest.raises(LookupError, match="700"):
                next(batches)

        run()
        assert not multiprocessing.active_children()
    finally:
        gc.enable()


def test_a_collate_fn_that_raises_stop_iteration_is_not_the_end(table: Path) -> None:
    def collate(rows: Any) -> Any:
        raise StopIteration

    one = loader(table, collate_fn=collate)
    with pytest.raises(RuntimeError, match="collate_fn raised StopIteration"):
        next(iter(one))
    assert one.state_dict()["next_microbatch"] == 0


@pytest.mark.parametrize("options", WORKERS)
def test_a_state_stays_until_a_batch_was_taken_from_it(
    table: Path, options: dict[str, Any]
) -> None:
    expected = batch_ids(loader(table))
    one = loader(table, **options)
    take(iter(one), 9)
    state = one.state_dict()
    one.load_state_dict(state)
    iter(one)
    assert one.state_dict() == state
    assert batch_ids(one) == expected[9:]
    # Elsewhere each `iter()` is an epoch.
    iter(one)
    assert one.state_dict()["epoch"] == 1
    assert take(iter(one), 1) != [expected[0]]
    assert one.state_dict()["epoch"] == 2


@pytest.mark.parametrize("options", WORKERS)
def test_a_loader_that_is_running_can_be_sent_elsewhere(
    table: Path, options: dict[str, Any]
) -> None:
    one = loader(table, **options)
    expected = batch_ids(loader(table))
    batches = iter(one)
    take(batches, 7)
    early = one.state_dict()
    take(batches, 20)
    late = one.state_dict()
    one.load_state_dict(late)
    one.load_state_dict(early)
    # The last one counts; the open iterator goes on, and counts no more.
    if not options.get("persistent_workers"):
        assert take(batches, 1) == [expected[27]]
    assert one.state_dict() == early
    assert take(iter(one), 5) == expected[7:12]
    # A training loop sets the epoch that it goes on in; another one begins at its start.
    one.load_state_dict(late)
    one.set_epoch(0)
    assert batch_ids(one) == expected[27:]
    one.load_state_dict(late)
    one.set_epoch(1)
    one.set_epoch(0)
    assert len(one) == len(expected)
    assert batch_ids(one) == expected


def test_the_latest_of_several_iterators_counts(table: Path) -> None:
    one = loader(table)
    first = iter(one)
    take(first, 3)
    second = iter(one)
    take(second, 5)
    take(first, 1)
    assert (one.state_dict()["epoch"], one.state_dict()["next_microbatch"]) == (1, 5)


def test_all_ranks_have_the_same_state_after_equally_many_steps(table: Path) -> None:
    ranks = [rank_loader(table, rank, 3) for rank in range(3)]
    iterators = [iter(rank) for rank in ranks]
    for step in range(1, 6):
        for iterator in iterators:
            next(iterator)
        states = [rank.state_dict() for rank in ranks]
        assert states[0] == states[1] == states[2]
        assert states[0]["next_microbatch"] == 3 * step
    for iterator in iterators:
        iterator.close()


@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"pad": False}])
def test_all_ranks_have_the_same_state_at_the_end_of_an_epoch(
    table: Path, options: dict[str, Any]
) -> None:
    states = []
    for rank in range(4):
        one = rank_loader(table, rank, 4, **options)
        for _ in one:
            pass
        states.append(one.state_dict())
    assert all(state == states[0] for state in states)
    assert (states[0]["epoch"], states[0]["next_microbatch"]) == (1, 0)


@given(
    stages=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 12)), min_size=1, max_size=4),
    lanes=st.sampled_from([1, 3, 8]),
    batch_size=st.sampled_from([7, 32, 100]),
    shuffle=st.booleans(),
)
def test_any_chain_of_topologies_reads_the_one_sequence(
    table: Path, stages: list[tuple[int, int]], **options: Any
) -> None:
    expected = batch_ids(loader(table, **options))
    found: list[list[int]] = []
    state: dict[str, Any] | None = None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*do not divide", category=UserWarning)
        for num_ranks, steps in [*stages, (1, len(expected))]:
            ranks = [
                rank_loader(table, r, num_ranks, pad=False, **options) for r in range(num_ranks)
            ]
            for one in ranks:
                if state is not None:
                    one.load_state_dict(state)
            if state is not None and state["epoch"] == 1:
                break
            # As many as every rank has: then a state is common to all.
            common = (
                min(steps, *(len(one) for one in ranks))
                if num_ranks > 1
                else min(steps, len(ranks[0]))
            )
            iterators = [iter(one) for one in ranks]
            shares = [take(iterator, common) for iterator in iterators]
            found += [share[step] for step in range(common) for share in shares]
            states = [one.state_dict() for one in ranks]
            assert all(one == states[0] for one in states)
            state = saved(states[0])
            for iterator in iterators:
                iterator.close()
    assert found == expected


@pytest.mark.parametrize("num_workers", [0, 2])
def test_lanes_that_were_chosen_are_kept_in_another_topology(table: Path, num_workers: int) -> None:
    options = {"lanes": "auto", "shuffle": False, "batch_size": 8}
    first = loader(table, num_workers=num_workers, **options)
    expected = batch_ids(loader(table, num_workers=num_workers, **options))
    taken = take(iter(first), 10)
    state = saved(first.state_dict())
    assert state["lanes"] == max(1, num_workers)
    for workers in (0, 1, 3):
        second = loader(table, num_workers=workers, **options)
        second.load_state_dict(state)
        assert taken + batch_ids(second) == expected
        assert second.state_dict()["lanes"] == state["lanes"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 8}, "seed: the state has 0, this loader 8"),
        ({"shuffle": False}, "shuffle: the state has True, this loader False"),
        ({"shuffle_rows": 100}, "shuffle_rows: the state has 200, this loader 100"),
        ({"shuffle_nbytes": 999}, "shuffle_nbytes: the state has 67108864, this loader 999"),
        ({"lanes": 6}, "lanes: the state has 12, this loader 6"),
        ({"drop_last": True}, "drop_last: the state has False, this loader True"),
        ({"filter": "id >= 0"}, "filter: the state has None, this loader .*id.*"),
        ({"version": 3}, "version: the state has 6, this loader 3"),
        ({"seed": 8, "lanes": 6}, "seed: .*; lanes: "),
    ],
)
def test_a_state_that_does_not_fit_is_refused_with_what_differs(
    table: Path, options: dict[str, Any], message: str
) -> None:
    state = loader(table).state_dict()
    with pytest.raises(OptionError, match=f"does not fit this loader: .*{message}"):
        loader(table, **options).load_state_dict(state)


def test_a_state_of_other_columns_or_another_table_is_refused(table: Path, tmp_path: Path) -> None:
    state = loader(table).state_dict()
    with pytest.raises(OptionError, match="columns: the state has 'id', this loader 'id, text, x'"):
        create_pytorch_dataloader(
            table, batch_size=32, lanes=12, shuffle=True, shuffle_rows=200
        ).load_state_dict(state)
    other = write_numbered(tmp_path / "other", SIZES)
    with pytest.raises(
        OptionError, match=f"table_id: the state has {state['table_id']}, .*other has "
    ):
        loader(other).load_state_dict(state)


def test_the_same_filter_may_be_written_in_another_way(table: Path) -> None:
    state = loader(table, filter="id > 100").state_dict()
    loader(table, filter=[("id", ">", 100)]).load_state_dict(state)


def test_a_filter_that_differs_is_shown_as_it_is_written(table: Path) -> None:
    state = loader(table, filter="id > 100 and text is not null").state_dict()
    told = r"filter: the state has 'id > 100 AND NOT \(text IS NULL\)', this loader 'id > 7'"
    with pytest.raises(OptionError, match=told):
        loader(table, filter=[("id", ">", 7)]).load_state_dict(state)


def test_a_pad_that_nobody_asked_for_is_taken_from_the_state(table: Path) -> None:
    state = rank_loader(table, 0, 4, pad=False).state_dict()
    resumed = [rank_loader(table, rank, 4) for rank in range(4)]
    for one in resumed:
        one.load_state_dict(state)
    lengths = [len(batch_ids(one)) for one in resumed]
    assert lengths == [len(rank_loader(table, rank, 4, pad=False)) for rank in range(4)]
    assert len(set(lengths)) == 2
    with pytest.raises(OptionError, match="pad: the state has False, this loader True"):
        rank_loader(table, 0, 4, pad=True).load_state_dict(state)


def test_another_batch_size_goes_on_where_the_order_allows_it(table: Path) -> None:
    options = {"shuffle": False, "lanes": 1}
    first = loader(table, **options)
    taken = take(iter(first), 6)
    second = loader(table, **options, batch_size=64)
    second.load_state_dict(first.state_dict())
    expected = [row for batch in batch_ids(loader(table, **options)) for row in batch]
    assert [row for batch in taken + batch_ids(second) for row in batch] == expected
    with pytest.raises(OptionError, match="192 rows were read, no multiple of 100"):
        loader(table, **options, batch_size=100).load_state_dict(first.state_dict())


def test_without_an_order_there_is_no_state(table: Path) -> None:
    one = loader(table, num_workers=2, in_order=False)
    with pytest.raises(OptionError, match="in_order=True"):
        one.state_dict()
    assert loader(table, num_workers=1, in_order=False).state_dict()["next_microbatch"] == 0


@pytest.mark.parametrize("options", WORKERS)
def test_a_table_that_grew_is_read_on_at_the_version_of_the_state(
    table: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(table, copy)
    expected = [batch_ids(one) for one in [loader(copy)] * 2]
    first = loader(copy)
    taken = take(iter(first), 10)
    write_numbered(copy, [500])
    second = loader(copy, **options)
    assert second.dataset.version == 7
    # Workers of the newer version are there already.
    take(iter(second), 1)
    second.load_state_dict(saved(first.state_dict()))
    assert second.dataset.version == 6
    assert len(second) == len(expected[0]) - 10
    assert taken + batch_ids(second) == expected[0]
    assert batch_ids(second) == expected[1]


def test_arguments_that_were_iterators_hold_for_the_version_of_the_state(tmp_path: Path) -> None:
    root = tmp_path / "t"
    rows = pa.table({"id": range(60), "part": [i % 3 for i in range(60)], "x": range(60)})
    write_deltalake(root, rows, partition_by=["part"])
    first = DeltaDataset(root, columns=["id"], partition_filter=[("part", "in", [0, 2])])
    expected = sorted(row_ids(first))
    state = first.state_dict()
    write_deltalake(root, rows, mode="append")
    second = DeltaDataset(
        root,
        columns=iter(["id"]),  # type: ignore[arg-type]
        partition_filter=iter([("part", "in", {2, 0})]),  # type: ignore[arg-type]
    )
    assert second.num_rows == 80
    second.load_state_dict(state)
    (batch, *_) = second
    assert list(batch) == ["id"]
    assert sorted(row_ids(second)) == expected


def test_persistent_workers_of_another_version_are_an_error(table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(table, copy)
    state = loader(copy).state_dict()
    write_numbered(copy, [500])
    data = DeltaDataset(
        copy, [FieldSpec("id")], batch_size=32, lanes=12, shuffle=True, shuffle_rows=200
    )
    plain = DataLoader(data, batch_size=None, num_workers=2, persistent_workers=True)
    batch_ids(plain)
    data.load_state_dict(state)
    with raises_in_worker(OptionError, match="make a new DataLoader"):
        batch_ids(plain)


def test_a_version_whose_commits_were_cleaned_says_what_to_do(table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(table, copy)
    state = loader(copy).state_dict()
    write_numbered(copy, [500])
    deltalake.DeltaTable(copy).create_checkpoint()
    for commit in sorted((copy / "_delta_log").glob("*.json"))[:-1]:
        commit.unlink()
    with pytest.raises(
        VersionNotFoundError, match=r"position in version 6 .* Begin anew .*logRetention"
    ):
        loader(copy).load_state_dict(state)


@pytest.mark.parametrize("persistent", [False, True])
def test_a_state_also_reaches_the_workers_of_torchs_own_dataloader(
    table: Path, persistent: bool
) -> None:
    first = loader(table)
    taken = take(iter(first), 10)
    data = DeltaDataset(
        table, [FieldSpec("id")], batch_size=32, lanes=12, shuffle=True, shuffle_rows=200
    )
    plain = DataLoader(data, batch_size=None, num_workers=2, persistent_workers=persistent)
    batch_ids(plain)
    data.load_state_dict(first.state_dict())
    expected = [batch_ids(one) for one in [loader(table)] * 2]
    # torch warns where a later epoch is longer than what `len` once said.
    assert len(plain) == len(expected[0]) == data.progress.num_steps() + 10
    assert taken + batch_ids(plain) == expected[0]
    assert batch_ids(plain) == expected[1]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_of_torchs_own_dataloader_leave_no_state(table: Path, num_workers: int) -> None:
    dataset = DeltaDataset(table, batch_size=32, lanes=2)
    before = dataset.state_dict()
    batches = iter(DataLoader(dataset, batch_size=None, num_workers=num_workers))
    next(batches)
    with pytest.raises(OptionError, match="nobody here counts what it gave of them"):
        dataset.state_dict()
    assert len(list(batches)) == len(dataset) - 1
    with pytest.raises(OptionError, match="nobody here counts what it gave of them"):
        dataset.locate()
    assert dataset.locate(0, epoch=0).microbatch == 0
    for epoch in (1, 2, 3):
        dataset.set_epoch(epoch)
        state = dataset.state_dict()
        assert state == {**before, "epoch": epoch}
        if epoch == 2:
            dataset.load_state_dict(state)
        batch_ids(DataLoader(dataset, batch_size=None, num_workers=num_workers))


def test_an_iteration_of_its_own_after_one_in_workers_counts_from_its_start(table: Path) -> None:
    dataset = DeltaDataset(table, batch_size=32, lanes=2)
    dataset.load_state_dict(dataset.state_dict())
    batch_ids(DataLoader(dataset, batch_size=None, num_workers=1))
    batches = iter(dataset)
    assert (dataset.state_dict()["epoch"], dataset.state_dict()["next_microbatch"]) == (1, 0)
    next(batches)
    assert (dataset.state_dict()["epoch"], dataset.state_dict()["next_microbatch"]) == (1, 1)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_nothing_before_the_position_is_read(tmp_path: Path, share: float) -> None:
    # 300 files of one row group each, in blocks of 64 files.
    root = write_files_with_vectors(tmp_path / "t", numbered_files([10] * 300, [None] * 300))
    options = {"batch_size": 10, "lanes": 1, "shuffle_rows": 20, "decode_threads": 1}
    expected = batch_ids(loader(root, **options))
    one = loader(root, **options, memory_budget=320)
    position = int(share * len(expected))
    one.load_state_dict(one.state_dict() | {"next_microbatch": position})
    batches = iter(one)
    assert take(batches, 1) == [expected[position]]
    statistics = batches.statistics()
    # The window in hand and those that the budget lets be read ahead; this block's footers and the next one's.
    assert statistics.num_row_groups <= 8
    assert statistics.num_footers <= 2 * 65
    batches.close()


def test_windows_that_do_not_fit_with_fewer_readers_are_refused(table: Path) -> None:
    options = {"lanes": 12, "shuffle_nbytes": 1600, "memory_budget": 6 * 1600}
    state = rank_loader(table, 0, 2, **options).state_dict()
    rank_loader(table, 0, 2, **options).load_state_dict(state)
    alone = loader(table, **options)
    alone.load_state_dict(state)
    with pytest.raises(MemoryBudgetError, match=r"12 open lanes of 12.*memory_budget alone"):
        iter(alone)
    more = loader(table, **options | {"memory_budget": 12 * 1600})
    more.load_state_dict(state)
    assert len(batch_ids(more)) == len(more)
