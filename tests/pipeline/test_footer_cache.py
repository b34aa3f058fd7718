from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from deltastream import DeltaDataset
from deltastream.pipeline import footer_cache
from tests.support.tables import write_numbered


def epochs(dataset: DeltaDataset, num_epochs: int) -> list[tuple[list[int], int]]:
    """The ids of each epoch, sorted, and how many footers it read."""
    found = []
    for _ in range(num_epochs):
        iterator = iter(dataset)
        ids = sorted(value for batch in iterator for value in batch["id"].tolist())
        found.append((ids, iterator.statistics().num_footers))
    return found


def test_a_footer_is_read_once_in_all_epochs(tmp_path: Path) -> None:
    write_numbered(tmp_path / "t", [10] * 7)
    dataset = DeltaDataset(tmp_path / "t", batch_size=5, shuffle=True)
    assert epochs(dataset, 3) == [(list(range(70)), n) for n in (7, 0, 0)]


def test_a_filter_is_evaluated_once_in_all_epochs(tmp_path: Path) -> None:
    write_numbered(tmp_path / "t", [10] * 3)
    dataset = DeltaDataset(tmp_path / "t", batch_size=4, filter="id in (3, 14, 15)")
    assert [ids for ids, _ in epochs(dataset, 2)] == [[3, 14, 15]] * 2
    assert epochs(dataset, 1)[0][1] == 0


def test_what_does_not_fit_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_numbered(tmp_path / "t", [10] * 7)
    dataset = DeltaDataset(tmp_path / "t", batch_size=5)
    columns = 3
    monkeypatch.setattr(
        footer_cache, "FOOTER_CACHE_NBYTES", 5 * columns * footer_cache._CHUNK_NBYTES
    )
    assert epochs(dataset, 3) == [(list(range(70)), n) for n in (7, 2, 2)]


def test_a_plan_goes_to_another_process_without_them(tmp_path: Path) -> None:
    write_numbered(tmp_path / "t", [10] * 2)
    dataset = DeltaDataset(tmp_path / "t", batch_size=4)
    epochs(dataset, 1)
    copy = pickle.loads(pickle.dumps(dataset))
    assert epochs(copy, 1) == [(list(range(20)), 2)]
