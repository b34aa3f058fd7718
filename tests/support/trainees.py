"""Runs a loader in fresh processes, one a rank, step by step, and kills some of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from torchdata.stateful_dataloader import StatefulDataLoader

from deltastream import DeltaDataLoader, DeltaDataset, FieldSpec

__all__ = ["Attempt", "Kill", "run_attempt"]

_LIMIT_S = 60.0
_TORCHS = ("num_workers", "persistent_workers", "prefetch_factor")


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
    states: Sequence[dict[str, Any] | None],
    kill: Kill | None = None,
    is_stateful: bool = False,
) -> Attempt:
    """Train in `num_ranks` new processes, each from its state, to the end of the epoch or until `kill`.

    With `is_stateful` through torchdata's StatefulDataLoader.
    """
    # Forked from a process that has no threads and read no table: as good as a new interpreter, and faster.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["deltastream.loader", __name__])
    ranks = []
    for rank in range(num_ranks):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_train,
            args=(root, rank, num_ranks, dict(options), states[rank], is_stateful, theirs),
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
    is_stateful: bool,
    pipe: Connection,
) -> None:
    warnings.filterwarnings("ignore", message=".*do not divide", category=UserWarning)
    warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
    warnings.filterwarnings("ignore", message="'set_vital' is deprecated", category=UserWarning)
    torchs = {name: options.pop(name) for name in _TORCHS if name in options}
    if torchs["num_workers"]:
        torchs["multiprocessing_context"] = "fork"
    dataset = DeltaDataset(root, [FieldSpec("id")], rank=rank, num_ranks=num_ranks, **options)
    loader: Any
    if is_stateful:
        loader = StatefulDataLoader(dataset, batch_size=None, **torchs)
    else:
        loader = DeltaDataLoader(dataset, **torchs)
    if state is not None:
        loader.load_state_dict(state)
    batches = iter(loader)
    pipe.send([child.pid for child in multiprocessing.active_children()])
    pipe.recv()
    for batch in batches:
        pipe.send((batch["id"].tolist(), loader.state_dict()))
        pipe.recv()
    pipe.send(None)
