"""Owns the measuring process: one contestant, in a fresh interpreter, told and telling in JSON lines.

Events, one line each on standard output: ``ready`` after the imports (the baseline of memory), ``opened`` once the
loader is made, ``epoch`` after every pass, the first of which is the warm-up; or only ``first batch``, again and again.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from perf.job import Epochs, Job

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class Pass:
    """How one pass, or one stretch of a pass that is too long to finish, went."""

    num_rows: int
    num_batches: int
    elapsed_s: float
    first_batch_s: float
    finished: bool
    cpu_s: float
    """Of all threads of the process."""


def take(batches: Iterator[int], *, max_s: float) -> Pass:
    """Take every batch as fast as they come, for `max_s` at most."""
    num_rows = num_batches = 0
    first_batch_s = elapsed_s = 0.0
    started, cpu_started_s = time.perf_counter(), time.process_time()
    for batch_rows in batches:
        elapsed_s = time.perf_counter() - started
        if num_batches == 0:
            first_batch_s = elapsed_s
        num_rows += batch_rows
        num_batches += 1
        if elapsed_s > max_s:
            finished = False
            break
    else:
        elapsed_s, finished = time.perf_counter() - started, True
    cpu_s = time.process_time() - cpu_started_s
    return Pass(num_rows, num_batches, elapsed_s, first_batch_s, finished, cpu_s)


def passes(epochs: Epochs, job: Job) -> Iterator[tuple[Pass, bool]]:
    """The passes of a job, each with whether it is the warm-up."""
    if job.num_epochs is not None:
        for _ in range(job.num_epochs):
            yield take(epochs(), max_s=float("inf")), False
        return
    batches = epochs()
    done = take(batches, max_s=job.warm_up_s)
    yield done, True
    if not done.finished:
        # The same pass goes on: pyarrow's scanner, under some contestants, hangs when it is dropped half-way
        # (apache/arrow#45214), and a second one beside it would count its memory twice.
        done = take(batches, max_s=job.max_s)
        # What was left of a pass that ends within that time is warm-up too: whole passes follow.
        yield done, done.finished
        if not done.finished:
            os._exit(0)
    spent_s = 0.0
    while spent_s < job.min_s:
        done = take(epochs(), max_s=float("inf"))
        spent_s += done.elapsed_s
        yield done, False


def time_first_batch(open_table: Callable[[Job], Epochs], job: Job) -> float:
    """Seconds from opening the table to the first batch; the pass is dropped there, untimed."""
    started = time.perf_counter()
    batches = open_table(job)()
    next(batches)
    return time.perf_counter() - started


def main(text: str) -> None:
    """Run the job in `text`."""
    job = Job.from_json(text)
    contestant = importlib.import_module(f"perf.contestants.{job.contestant}")
    if "torch" in sys.modules and job.torch_threads:
        sys.modules["torch"].set_num_threads(job.torch_threads)
    tell("ready")
    for _ in range(job.num_opens):
        tell("first batch", first_batch_s=time_first_batch(contestant.open_table, job))
    if job.num_opens:
        return
    started = time.perf_counter()
    epochs: Epochs = contestant.open_table(job)
    tell("opened", open_s=time.perf_counter() - started)
    for done, warm_up in passes(epochs, job):
        tell(
            "epoch",
            warm_up=warm_up,
            num_rows=done.num_rows,
            num_batches=done.num_batches,
            elapsed_s=done.elapsed_s,
            first_batch_s=done.first_batch_s,
            finished=done.finished,
            cpu_s=done.cpu_s,
        )


def tell(event: str, **values: float | bool) -> None:
    """Tell the parent of an event, and wait until it has read and reset our peak of memory."""
    print(json.dumps({"event": event, **values}), flush=True)
    if not sys.stdin.readline():
        raise SystemExit("the measuring parent went away")


if __name__ == "__main__":
    main(sys.argv[1])
    # A pyarrow dataset scan can abort the interpreter at its exit ("terminate called without an active exception").
    sys.stdout.flush()
    os._exit(0)
