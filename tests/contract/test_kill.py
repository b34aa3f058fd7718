"""Killed anywhere, a training goes on where its last common state was: the ids of both come in the one order."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from deltastream import FieldSpec, create_pytorch_dataloader
from tests.support.loaders import batch_ids
from tests.support.tables import write_numbered
from tests.support.torchrun import run_ranks
from tests.support.trainees import Kill, run_attempt

BATCH_SIZE = 16
# No short batch: then what the last steps repeat are whole batches.
SIZES = (130, 64, 300, 1, 145)
NUM_BATCHES = sum(SIZES) // BATCH_SIZE
VERSION = len(SIZES) - 1


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert sum(SIZES) % BATCH_SIZE == 0
    return write_numbered(tmp_path_factory.mktemp("kill") / "table", SIZES)


def order_options(number: int, lanes: int) -> dict[str, Any]:
    return {
        "batch_size": BATCH_SIZE,
        "version": VERSION,
        "lanes": lanes,
        "seed": number,
        "shuffle": number % 4 != 0,
        "shuffle_rows": 100,
    }


def undisturbed(root: Path, options: dict[str, Any]) -> list[list[int]]:
    return batch_ids(create_pytorch_dataloader(root, fields=[FieldSpec("id")], **options))


def draw_topology(draw: random.Random) -> tuple[int, dict[str, Any]]:
    num_workers = draw.choice([0, 0, 1, 2])
    persistent = {"persistent_workers": True} if num_workers and draw.random() < 0.5 else {}
    prefetch = {"prefetch_factor": draw.choice([1, 2, 4])} if num_workers else {}
    return draw.choice([1, 1, 2, 3]), {"num_workers": num_workers, **persistent, **prefetch}


def draw_kill(draw: random.Random, num_ranks: int, num_workers: int, num_steps: int) -> Kill:
    rank = draw.choice([None, draw.randrange(num_ranks)])
    worker = draw.randrange(num_workers) if num_workers and draw.random() < 0.5 else None
    return Kill(draw.randrange(num_steps), rank, worker, draw.randint(0, num_ranks))


@pytest.mark.timeout(1200)
def test_before_and_after_a_kill_are_one_undisturbed_sequence(
    table: Path, seed: int, stress: bool
) -> None:
    draw = random.Random(seed)
    for number in range(200 if stress else 20):
        order = order_options(number, draw.choice([1, 4, 12]))
        expected = undisturbed(table, order)
        found: list[list[int]] = []
        state: dict[str, Any] | None = None
        kills = draw.choice([1, 1, 2])
        num_ranks, topology = draw_topology(draw)
        trail: list[Any] = [order]
        while len(found) < NUM_BATCHES:
            kill = None
            if kills:
                num_steps = -(-(NUM_BATCHES - len(found)) // num_ranks)
                kill = draw_kill(draw, num_ranks, topology["num_workers"], num_steps)
                kills -= 1
            trail.append((num_ranks, topology, kill))
            states = [state] * num_ranks
            attempt = run_attempt(table, num_ranks, order | topology, states=states, kill=kill)
            found += [ids for step in attempt.steps for ids in step]
            for common in attempt.states:
                assert all(one == common[0] for one in common), trail
            if attempt.states:
                state = json.loads(json.dumps(attempt.states[-1][0]))
            if draw.random() < 0.5:
                num_ranks, topology = draw_topology(draw)
        # Behind the end ranks without a batch repeat their previous one.
        assert found[:NUM_BATCHES] == expected, trail
        assert all(ids in expected for ids in found[NUM_BATCHES:]), trail


@pytest.mark.timeout(600)
def test_before_and_after_a_kill_are_one_sequence_through_a_stateful_dataloader(
    table: Path, seed: int, stress: bool
) -> None:
    draw = random.Random(seed)
    for number in range(40 if stress else 4):
        order = order_options(number, draw.choice([4, 12]))
        num_ranks, num_workers = draw.choice([1, 2]), draw.choice([0, 1, 2])
        options = order | {"num_workers": num_workers}
        kill = draw_kill(draw, num_ranks, num_workers, NUM_BATCHES // num_ranks)
        states: list[Any] = [None] * num_ranks
        first = run_attempt(table, num_ranks, options, states=states, kill=kill, is_stateful=True)
        if first.states:
            # Each rank's own: a loader's state is that of its workers.
            states = json.loads(json.dumps(first.states[-1]))
        second = run_attempt(table, num_ranks, options, states=states, is_stateful=True)
        found = [ids for step in first.steps + second.steps for ids in step]
        assert found[:NUM_BATCHES] == undisturbed(table, order), (options, kill)
        assert all(ids in found for ids in found[NUM_BATCHES:])


ELASTIC = """
import signal
import torch, torch.distributed as dist
from deltastream import FieldSpec, create_pytorch_dataloader

warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
table, options, kills = sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
dist.init_process_group("gloo")
loader = create_pytorch_dataloader(table, fields=[FieldSpec("id")], **options)
checkpoint = folder / "state.json"
if checkpoint.exists():
    loader.load_state_dict(json.loads(checkpoint.read_text()))
began = loader.state_dict()["next_microbatch"]
with (folder / f"attempt-{attempt}-{rank}.jsonl").open("w") as log:
    for step, batch in enumerate(loader):
        if attempt < len(kills) and kills[attempt] == [step, rank]:
            os.kill(os.getpid(), signal.SIGKILL)
        print(json.dumps([began, batch["id"].tolist()]), file=log, flush=True)
        # The step that all ranks take together; then its state is saved, whole.
        dist.all_reduce(torch.ones(1))
        if rank == 0 and step % 3 == 2:
            new = folder / "state.new"
            new.write_text(json.dumps(loader.state_dict()))
            new.replace(checkpoint)
leave(True)
dist.destroy_process_group()
"""


@pytest.mark.parametrize("num_workers", [0, 2])
def test_torchrun_starts_the_ranks_again_from_the_last_common_state(
    table: Path, tmp_path: Path, seed: int, num_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else torch 2.13 gives ranks that are started again the store with their predecessors' addresses, and gloo hangs.
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    draw = random.Random(seed + num_workers)
    order = order_options(3, 12)
    # Not before every worker gave a batch: torch's watchdog notes a worker's parent after iter(dataset), and a worker
    # whose parent died before that never ends.
    kills = [[draw.randint(2, 8), draw.randrange(2)] for _ in range(2)]
    options = order | {"num_workers": num_workers}
    ended = run_ranks(
        tmp_path, ELASTIC, 2, table, json.dumps(options), json.dumps(kills), max_restarts=2
    )
    assert ended.returncode == 0, ended.err
    assert ended.left == [True, True], ended.err
    found: list[list[int]] = []
    for attempt in range(3):
        logs = [tmp_path / f"attempt-{attempt}-{rank}.jsonl" for rank in range(2)]
        lines = [[json.loads(line) for line in log.read_text().splitlines()] for log in logs]
        if not any(lines):
            continue
        began = next(rank[0][0] for rank in lines if rank)
        # What was done since the state was saved is done once more.
        del found[began:]
        found += [rank[step][1] for step in range(min(map(len, lines))) for rank in lines]
    assert found == undisturbed(table, order)
