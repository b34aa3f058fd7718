"""Accelerate's `prepare` leaves a loader its share, and what would divide it again is refused: real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.loaders import merge_ranks
from tests.support.tables import write_numbered
from tests.support.torchrun import run_ranks

SIZES = (310, 250, 80)
NUM_ROWS = sum(SIZES)

START = """
from accelerate import Accelerator
from torch.utils.data import DataLoader, IterableDataset
from deltastream import DeltaDataLoader, DeltaDataset, FieldSpec, create_pytorch_dataloader
if __name__ == "__main__":
    accelerator = Accelerator(cpu=True)
table = sys.argv[2]
options = {"batch_size": 16, "shuffle": True, "lanes": 4, "pad": False}

def ids(loader):
    return [batch["id"].tolist() for batch in loader]

def refused(loader):
    try:
        return len(ids(loader))
    except Exception as error:
        return str(error)

"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("accelerate") / "table", SIZES)


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_prepared_loader_gives_the_rows_that_it_gave(
    table: Path, tmp_path: Path, num_ranks: int
) -> None:
    source = """
loaders = [create_pytorch_dataloader(table, fields=[FieldSpec("id")], num_workers=w, **options) for w in (0, 2)]
model = __import__("torch").nn.Linear(1, 1)
prepared = accelerator.prepare(model, *loaders)[1:]
accelerator.prepare(*prepared)
leave([ids(loader) for loader in prepared])
accelerator.end_training()
"""
    ended = run_ranks(tmp_path, START + source, num_ranks, table, strict=False)
    assert ended.returncode == 0, ended.err
    for shares in zip(*ended.left, strict=True):
        merged = merge_ranks(shares)
        assert sorted(row for batch in merged for row in batch) == list(range(NUM_ROWS))
        assert len(merged) == NUM_ROWS // 16


@pytest.mark.parametrize("context", [None, "fork", "spawn"])
def test_what_would_divide_a_share_again_is_refused_in_every_kind_of_worker(
    table: Path, tmp_path: Path, context: str | None
) -> None:
    source = """
class Rows(IterableDataset):
    def __init__(self, dataset):
        self.dataset = dataset
    def __iter__(self):
        for batch in self.dataset:
            yield from ({"id": row} for row in batch["id"])

if __name__ == "__main__":
    dataset = DeltaDataset(table, [FieldSpec("id")], **options)
    workers = {"num_workers": 1, "multiprocessing_context": sys.argv[3]} if len(sys.argv) > 3 else {}
    found = []
    if rank == 0:
        # Rank 0 reads for all, which are not even asked.
        found.append(refused(accelerator.prepare(DataLoader(dataset, batch_size=None, **workers))))
        found.append(refused(accelerator.prepare(DataLoader(Rows(dataset), batch_size=4, **workers))))
    accelerator.dataloader_config.dispatch_batches = False
    found.append(refused(accelerator.prepare(DataLoader(Rows(dataset), batch_size=4, **workers))))
    leave(found)
    accelerator.end_training()
"""
    arguments = [] if context is None else [context]
    ended = run_ranks(tmp_path, START + source, 2, table, *arguments, strict=False)
    assert ended.returncode == 0, ended.err
    assert [len(found) for found in ended.left] == [3, 1]
    for found in ended.left:
        for message in found:
            assert "divides among the ranks what is already one rank's share" in message
            assert "give Accelerator.prepare() a DeltaDataLoader" in message


def test_a_loader_that_batches_batches_is_refused(table: Path, tmp_path: Path) -> None:
    source = """
from accelerate import skip_first_batches
dataset = DeltaDataset(table, [FieldSpec("id")], **options)
loader = accelerator.prepare(DeltaDataLoader(dataset))
found = [accelerator.prepare(DataLoader(dataset, batch_size=4)), skip_first_batches(loader, 2)]
leave([refused(loader) for loader in found])
"""
    ended = run_ranks(tmp_path, START + source, 1, table, strict=False)
    for message in ended.left[0]:
        assert "a DataLoader makes batches of this dataset's batches" in message


def test_accelerates_own_checkpoint_keeps_the_position(table: Path, tmp_path: Path) -> None:
    source = """
def make():
    return create_pytorch_dataloader(table, fields=[FieldSpec("id")], num_workers=1, **options)

loader = accelerator.prepare(make())
batches = iter(loader)
before = [next(batches)["id"].tolist() for _ in range(5)]
accelerator.save_state(str(folder / f"state-{rank}"))
after = [batch["id"].tolist() for batch in batches]
accelerator._dataloaders.clear()
again = accelerator.prepare(make())
accelerator.load_state(str(folder / f"state-{rank}"))
leave([before, after, ids(again)])
accelerator.end_training()
"""
    ended = run_ranks(tmp_path, START + source, 2, table, strict=False)
    assert ended.returncode == 0, ended.err
    for before, after, again in ended.left:
        assert len(before) == 5
        assert again == after
