"""Runs a loader in fresh processes, one a rank, step by step, and kills some of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from deltastream import FieldSpec, create_pytorch_dataloader

__all__ = ["Attempt", "Kill", "run_attempt"]

_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Kill:
    """Whom to kill, by SIGKILL, and when."""

    step: int
    rank: int | None
    """None: all ranks."""
    worker: int | None
    """Of the rank; None: the rank itself."""
    after: int
    """How many ranks are waited for in that step before it happens: the others are in the middle of it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the ranks of one attempt did."""

    steps: list[list[list[int]]]
    """For each step that all ranks did, the ids of each rank's batch."""
    states: list[list[dict[str, Any]]]
    """Likewise each rank's state, behind that step."""


def run_attempt(
    root: Path,
    num_ranks: int,
    options: Mapping[str, Any],
    *,
    state: dict[str, Any] | None,
    kill: Kill | None = None,
) -> Attempt:
    """Train in `num_ranks` new processes, from `state`, to the end of the epoch or until `kill`."""
    # Forked from a process that has no threads and read no table: as good as a new interpreter, and faster.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["deltastream.loader", __name__])
    ranks = []
    for rank in range(num_ranks):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_train, args=(root, rank, num_ranks, dict(options), state, theirs)
        )
        process.start()
        theirs.close()
        ranks.append((process, ours))
    attempt = Attempt([], [])
    try:
        workers = [_receive(pipe) for _, pipe in ranks]
        for step in range(10**6):
            for _, pipe in ranks:
                pipe.send("go")
            if kill is not None and kill.step == step:
                for _, pipe in ranks[: kill.after]:
                    _receive(pipe)
                for rank, (process, _) in enumerate(ranks):
                    if kill.rank in (None, rank):
                        victim = process.pid if kill.worker is None else workers[rank][kill.worker]
                        os.kill(victim, signal.SIGKILL)
                return attempt
            done = [_receive(pipe) for _, pipe in ranks]
            if any(one is None for one in done):
                return attempt
            attempt.steps.append([ids for ids, _ in done])
            attempt.states.append([state for _, state in done])
    finally:
        # As torchrun's agent does when one of them died.
        for process, pipe in ranks:
            process.kill()
            process.join()
            pipe.close()
    raise AssertionError("an epoch without an end")


def _receive(pipe: Connection) -> Any:
    assert pipe.poll(_LIMIT_S), "a rank hangs"
    return pipe.recv()


def _train(
    root: Path,
    rank: int,
    num_ranks: int,
    options: dict[str, Any],
    state: dict[str, Any] | None,
    pipe: Connection,
) -> None:
    warnings.filterwarnings("ignore", message=".*do not divide", category=UserWarning)
    warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
    if options["num_workers"]:
        options["multiprocessing_context"] = "fork"
    loader = create_pytorch_dataloader(
        root,
        fields=[FieldSpec("id")],
        use_fixed_rank=True,
        rank=rank,
        num_ranks=num_ranks,
        **options,
    )
    if state is not None:
        loader.load_state_dict(state)
    num_steps = len(loader)
    batches = iter(loader)
    pipe.send([child.pid for child in multiprocessing.active_children()])
    for _ in range(num_steps):
        pipe.recv()
        ids = next(batches)["id"].tolist()
        pipe.send((ids, loader.state_dict()))
    pipe.recv()
    assert next(batches, None) is None
    pipe.send(None)
