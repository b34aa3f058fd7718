"""Any number of processes reads the one sequence: real ranks under torchrun, in a gloo group, with real workers.

A tenth of the grid, drawn by the seed; the whole of it in `make stress`.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from deltastream import FieldSpec, create_pytorch_dataloader
from tests.support.loaders import batch_ids, merge_ranks
from tests.support.tables import write_numbered
from tests.support.torchrun import run_ranks

RANKS = (1, 2, 3, 4, 6)
WORKERS = (0, 1, 2, 3)
LANES = (1, 5, 12, 24, 48)
ENDINGS = ({"pad": True}, {"pad": False}, {"drop_last": True})
BATCH_SIZE = 16
SIZES = (310, 250, 400, 1, 130, 512, 64)

SOURCE = """
import torch.distributed as dist
from deltastream import FieldSpec, create_pytorch_dataloader

warnings.filterwarnings("ignore", message=".*consumers do not divide", category=UserWarning)
warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
dist.init_process_group("gloo")
shares = []
for options in json.loads(sys.argv[3]):
    loader = create_pytorch_dataloader(sys.argv[2], fields=[FieldSpec("id")], **options)
    batches = [batch["id"].tolist() for batch in loader]
    assert len(batches) == len(loader)
    shares.append(batches)
leave(shares)
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("topology") / "table", SIZES)


def cases() -> dict[int, list[dict[str, Any]]]:
    """The loaders of the grid, by number of ranks; every other thing that matters varies along with it."""
    found: dict[int, list[dict[str, Any]]] = {num_ranks: [] for num_ranks in RANKS}
    grid = itertools.product(RANKS, WORKERS, LANES)
    for number, (num_ranks, num_workers, lanes) in enumerate(grid):
        options = {
            "num_workers": num_workers,
            "lanes": lanes,
            "batch_size": BATCH_SIZE,
            "shuffle": number % 4 != 0,
            "shuffle_rows": 200,
            "seed": number,
        }
        found[num_ranks].append(options | ENDINGS[number % len(ENDINGS)])
    return found


def test_any_ranks_and_workers_read_the_one_sequence_up_to_its_documented_end(
    table: Path, tmp_path: Path, seed: int, stress: bool
) -> None:
    drawn = cases()
    if not stress:
        draw = random.Random(seed)
        drawn = {ranks: draw.sample(drawn[ranks], 5) for ranks in draw.sample(RANKS, 2)}
    for num_ranks, loaders in drawn.items():
        folder = tmp_path / f"ranks-{num_ranks}"
        ended = run_ranks(folder, SOURCE, num_ranks, table, json.dumps(loaders), limit_s=900)
        assert ended.returncode == 0, ended.err
        for options, shares in zip(loaders, zip(*ended.left, strict=True), strict=True):
            alone = {**options, "num_workers": 0, "pad": False}
            expected = batch_ids(
                create_pytorch_dataloader(table, fields=[FieldSpec("id")], **alone)
            )
            assert merge_ranks(shares) == at_end(expected, num_ranks, options), (num_ranks, options)


def at_end(expected: list[list[int]], num_ranks: int, options: dict[str, Any]) -> list[list[int]]:
    """What the ranks give together, of what one gives alone."""
    if options.get("drop_last"):
        return expected[: len(expected) // num_ranks * num_ranks]
    if not options["pad"]:
        assert sorted(row for batch in expected for row in batch) == list(range(sum(SIZES)))
        return expected
    # The short batch repeats its rows; a rank without a batch repeats the one before.
    short = expected[-1]
    padded = [*expected[:-1], [short[i % len(short)] for i in range(BATCH_SIZE)]]
    while len(padded) % num_ranks:
        padded.append(padded[-num_ranks])
    return padded
