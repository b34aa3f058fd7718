"""Iterations that threads begin at the same time: an epoch each, every row of it once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from deltastream import FieldSpec, create_pytorch_dataloader
from tests.support.tables import write_numbered


@pytest.mark.parametrize(("num_workers", "num_rounds"), [(0, 20), (2, 4)])
def test_each_thread_has_an_epoch_of_its_own(
    tmp_path: Path, num_workers: int, num_rounds: int
) -> None:
    table = write_numbered(tmp_path / "t", [60, 60], row_group_rows=10)
    options = {"fields": [FieldSpec("id")], "batch_size": 8, "shuffle": True, "lanes": 2}
    loader = create_pytorch_dataloader(table, num_workers=num_workers, **options)
    alone = create_pytorch_dataloader(table, num_workers=0, **options)
    together = Barrier(2)

    def epoch() -> list[int]:
        together.wait()
        return [i for batch in loader for i in batch["id"].tolist()]

    with ThreadPoolExecutor(2) as threads:
        for _ in range(num_rounds):
            found = [future.result() for future in [threads.submit(epoch) for _ in range(2)]]
            expected = [[i for batch in alone for i in batch["id"].tolist()] for _ in range(2)]
            assert sorted(found) == sorted(expected)
