"""Owns several ranks as one contestant: processes that start each pass together; a pass is over when all are."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait

from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Start the ranks; the options are ``num_ranks``, of which each decodes with its share of the job's threads."""
    num_ranks = int(job.options["num_ranks"] or 1)
    context = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    for rank in range(num_ranks):
        ours, theirs = context.Pipe()
        context.Process(target=_read, args=(job, rank, num_ranks, theirs), daemon=True).start()
        ends.append(ours)
    for end in ends:
        end.recv()

    def epoch() -> Iterator[int]:
        for end in ends:
            end.send(None)
        reading = list(ends)
        while reading:
            for end in wait(reading):
                assert isinstance(end, Connection)
                reading.remove(end)
                yield end.recv()

    return epoch


def _read(job: Job, rank: int, num_ranks: int, end: Connection) -> None:
    import torch

    from deltastream import DeltaDataLoader, DeltaDataset, FieldSpec

    torch.set_num_threads(job.torch_threads)
    dataset = DeltaDataset(
        job.path,
        [*map(FieldSpec, job.columns)],
        version=int(job.options["version"] or 0),
        batch_size=job.batch_size,
        shuffle=bool(job.options["shuffle"]),
        lanes=int(job.options["lanes"] or 1),
        rank=rank,
        num_ranks=num_ranks,
        decode_threads=job.num_threads // num_ranks,
    )
    loader = DeltaDataLoader(dataset)
    end.send(None)
    while True:
        try:
            end.recv()
        except EOFError:
            return
        # Told at the end only: the price of telling is not the loader's.
        end.send(sum(len(next(iter(batch.values()))) for batch in loader))
