"""How well rows mix: on a table sorted by label, batches are as mixed as the window allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from deltastream import DeltaDataset, FieldSpec
from tests.support.tables import write_files

NUM_LABELS, NUM_FILES, NUM_GROUPS, GROUP_ROWS, BATCH_ROWS = 10, 8, 64, 1000, 256
NUM_ROWS = NUM_GROUPS * GROUP_ROWS
LABELS = np.arange(NUM_ROWS) * NUM_LABELS // NUM_ROWS
SEEDS = range(8)
"""Orders to average over: how many labels a window of 16 row groups holds is luck."""

Ids = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ids = np.arange(NUM_ROWS)
    parts = [pa.table({"id": rows, "label": LABELS[rows]}) for rows in np.split(ids, NUM_FILES)]
    root = tmp_path_factory.mktemp("sorted") / "table"
    return write_files(root, parts, row_group_rows=GROUP_ROWS)


def epoch(root: Path, *, shuffle_rows: int, seed: int, number: int = 0) -> Ids:
    data = DeltaDataset(
        root,
        [FieldSpec("id")],
        batch_size=BATCH_ROWS,
        shuffle=True,
        lanes=1,
        shuffle_rows=shuffle_rows,
        seed=seed,
    )
    data.set_epoch(number)
    return np.concatenate([batch["id"].numpy() for batch in data])


def mean_label_entropy(order: Ids) -> float:
    """Bits, over the full batches; at most log2(10) = 3.32."""
    num_batches = len(order) // BATCH_ROWS
    labels = LABELS[order[: num_batches * BATCH_ROWS]].reshape(num_batches, BATCH_ROWS)
    counts = np.stack([(labels == label).sum(axis=1) for label in range(NUM_LABELS)], axis=1)
    shares = counts / BATCH_ROWS
    return float(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1).mean())


def permuted_in_windows(num_groups: int, seed: int) -> Ids:
    """The yardstick: row groups drawn at random from the whole table, the rows of a window permuted."""
    random = np.random.default_rng(seed)
    groups = random.permutation(NUM_GROUPS).reshape(-1, num_groups)
    rows = groups[:, :, None] * GROUP_ROWS + np.arange(GROUP_ROWS)
    return np.concatenate([random.permutation(window) for window in rows.reshape(len(groups), -1)])


def test_the_table_has_the_row_groups_it_should(table: Path) -> None:
    data = DeltaDataset(table, [FieldSpec("id")], batch_size=BATCH_ROWS)
    batches = iter(data)
    list(batches)
    assert batches.statistics().num_row_groups == NUM_GROUPS


def test_a_window_that_holds_the_table_mixes_like_a_true_permutation(table: Path) -> None:
    for seed in SEEDS[:3]:
        order = epoch(table, shuffle_rows=NUM_ROWS, seed=seed)
        truth = np.random.default_rng(seed).permutation(NUM_ROWS)
        assert mean_label_entropy(order) == pytest.approx(mean_label_entropy(truth), rel=0.01)


def test_a_window_mixes_like_as_many_row_groups_drawn_from_the_whole_table(table: Path) -> None:
    num_groups = 16
    found = [
        mean_label_entropy(epoch(table, shuffle_rows=num_groups * GROUP_ROWS, seed=seed))
        for seed in SEEDS
    ]
    drawn = [mean_label_entropy(permuted_in_windows(num_groups, seed)) for seed in range(200)]
    assert np.mean(found) == pytest.approx(np.mean(drawn), rel=0.02)


def test_the_row_groups_that_share_a_window_change_from_epoch_to_epoch(table: Path) -> None:
    num_groups = 16
    windows = []
    for number in range(3):
        order = epoch(table, shuffle_rows=num_groups * GROUP_ROWS, seed=0, number=number)
        parts = order.reshape(-1, num_groups * GROUP_ROWS) // GROUP_ROWS
        groups = [frozenset(part.tolist()) for part in parts]
        assert [len(group) for group in groups] == [num_groups] * (NUM_GROUPS // num_groups)
        windows += groups
    assert len(set(windows)) == len(windows)


def test_positions_in_the_epoch_do_not_depend_on_positions_in_the_table(table: Path) -> None:
    # Row i lands at place p: over some epochs their correlation is that of unrelated numbers.
    found = []
    for number in range(4):
        order = epoch(table, shuffle_rows=4 * GROUP_ROWS, seed=0, number=number)
        found.append(np.corrcoef(order, np.arange(NUM_ROWS))[0, 1])
    # Sixteen windows are as good as sixteen independent draws: a standard deviation of 1 / 8 over four epochs.
    assert abs(np.mean(found)) < 0.4


def test_lanes_mix_too(table: Path) -> None:
    data = DeltaDataset(
        table, [FieldSpec("id")], batch_size=BATCH_ROWS, shuffle=True, lanes=4, seed=0
    )
    order = np.concatenate([batch["id"].numpy() for batch in data])
    assert sorted(order.tolist()) == list(range(NUM_ROWS))
    # A lane has an eighth of the files, two of them: three labels at most in a batch.
    assert mean_label_entropy(order) > 1
