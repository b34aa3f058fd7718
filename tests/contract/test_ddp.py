"""Training on several ranks: DistributedDataParallel learns as one process does, and no rank waits for ever."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from perf.digits import read_idx
from tests.support.loaders import merge_ranks
from tests.support.tables import write_files, write_numbered
from tests.support.torchrun import run_ranks

GLOBAL_BATCH = 96
MAX_POINTS = 0.3

TRAIN = """
import numpy as np, torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from deltastream import FieldSpec, create_pytorch_dataloader

table, test_set, global_batch, num_epochs = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
torch.set_num_threads(1)
dist.init_process_group("gloo")
loader = create_pytorch_dataloader(
    table,
    fields=[FieldSpec("image", decode_numpy_and_apply_shape=(784,), dtype=torch.float32), FieldSpec("label")],
    batch_size=global_batch // world_size,
    shuffle=True,
    lanes=12,
)
torch.manual_seed(0)
layers = torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
model = DistributedDataParallel(torch.nn.Sequential(*layers))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, num_epochs * len(loader))
for _ in range(num_epochs):
    for batch in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch["image"] / 255), batch["label"])
        loss.backward()
        optimizer.step()
        schedule.step()
test = np.load(test_set)
with torch.no_grad():
    found = model.module(torch.from_numpy(test["images"]) / 255).argmax(1).numpy()
leave([len(loader), 100 * float((found == test["labels"]).mean())])
dist.destroy_process_group()
"""


@pytest.mark.timeout(900)
def test_ranks_learn_mnist_as_one_does_at_the_same_global_batch(
    mnist_folder: Path, tmp_path: Path, stress: bool
) -> None:
    images = read_idx(mnist_folder / "train-images-idx3-ubyte.gz").reshape(-1, 784)
    labels = read_idx(mnist_folder / "train-labels-idx1-ubyte.gz")
    parts = [
        pa.table(
            {
                "image": pa.array([image.tobytes() for image in images[part]], pa.binary()),
                "label": pa.array(labels[part].astype(np.int64)),
            }
        )
        for part in np.array_split(np.arange(len(images)), 12)
    ]
    table = write_files(tmp_path / "mnist", parts, row_group_rows=1000)
    np.savez(
        tmp_path / "test.npz",
        images=read_idx(mnist_folder / "t10k-images-idx3-ubyte.gz")
        .reshape(-1, 784)
        .astype(np.float32),
        labels=read_idx(mnist_folder / "t10k-labels-idx1-ubyte.gz"),
    )
    num_epochs = 5 if stress else 2
    points = {}
    for num_ranks in (1, 2, 4):
        arguments = (table, tmp_path / "test.npz", GLOBAL_BATCH, num_epochs)
        ended = run_ranks(tmp_path / str(num_ranks), TRAIN, num_ranks, *arguments, limit_s=600)
        assert ended.returncode == 0, ended.err
        steps, found = zip(*ended.left, strict=True)
        assert set(steps) == {len(images) // GLOBAL_BATCH}
        # All ranks hold one model.
        assert len(set(found)) == 1
        points[num_ranks] = found[0]
    assert points[1] > 95, points
    assert max(abs(points[ranks] - points[1]) for ranks in points) <= MAX_POINTS, points


UNEVEN = """
import torch
import torch.distributed as dist
from torch.distributed.algorithms.join import Join
from torch.nn.parallel import DistributedDataParallel
from deltastream import FieldSpec, create_pytorch_dataloader

dist.init_process_group("gloo")

def train(**options):
    loader = create_pytorch_dataloader(sys.argv[2], fields=[FieldSpec("id"), FieldSpec("x")], shuffle=True, **options)
    model = DistributedDataParallel(torch.nn.Linear(1, 1))
    seen = []
    with Join([model], enable=not options.get("pad", True)):
        for batch in loader:
            model(batch["x"][:, None]).mean().backward()
            seen.append(batch["id"].tolist())
    assert len(seen) == len(loader)
    return seen

leave([train(batch_size=size, pad=pad) for pad in (True, False) for size in json.loads(sys.argv[3])])
dist.destroy_process_group()
"""


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_uneven_tables_never_leave_a_rank_waiting(tmp_path: Path, num_ranks: int) -> None:
    sizes = (97, 1, 300)
    table = write_numbered(tmp_path / "table", sizes)
    batch_sizes = [1 + sum(sizes) // (2 * num_ranks), 7, 64]
    ended = run_ranks(tmp_path / "ranks", UNEVEN, num_ranks, table, json.dumps(batch_sizes))
    assert ended.returncode == 0, ended.err
    runs = list(zip(*ended.left, strict=True))
    padded, joined = runs[: len(batch_sizes)], runs[len(batch_sizes) :]
    for shares in padded:
        assert len({len(share) for share in shares}) == 1
        assert {row for share in shares for batch in share for row in batch} == set(
            range(sum(sizes))
        )
    for shares in joined:
        rows = [row for batch in merge_ranks(shares) for row in batch]
        assert sorted(rows) == list(range(sum(sizes)))
    assert any(len({len(share) for share in shares}) > 1 for shares in joined)


WORKERS = """
import torch.distributed as dist
from deltastream import FieldSpec, create_pytorch_dataloader

if __name__ == "__main__":
    dist.init_process_group("gloo")
    found = []
    kinds = [{}, {"num_workers": 2}, {"num_workers": 2, "in_order": False}]
    for context in ("fork", "forkserver", "spawn"):
        kinds.append({"num_workers": 2, "multiprocessing_context": context, "persistent_workers": True})
    for options in kinds:
        fields = [FieldSpec("id")]
        loader = create_pytorch_dataloader(
            sys.argv[2], fields=fields, batch_size=16, shuffle=True, lanes=12, **options
        )
        epochs = [[row for batch in loader for row in batch["id"].tolist()] for _ in range(2)]
        found.append([options.get("in_order", True), *epochs])
    leave(found)
    dist.destroy_process_group()
"""


def test_every_kind_of_worker_works_beside_a_process_group(tmp_path: Path) -> None:
    table = write_numbered(tmp_path / "table", (97, 1, 300))
    ended = run_ranks(tmp_path / "ranks", WORKERS, 2, table, strict=False)
    assert ended.returncode == 0, ended.err
    for found in ended.left:
        (_, *alone), *others = found
        assert len(others) == 5
        assert alone[0] != alone[1]
        for in_order, *epochs in others:
            for epoch, expected in zip(epochs, alone, strict=True):
                assert epoch == expected if in_order else sorted(epoch) == sorted(expected)
