"""Owns what processes cost: the way of a batch from a worker to its parent, and ranks against one process.

Both are ratios of the same reader, interleaved: batches in one storage against a storage per column; one process that
decodes in two threads against two ranks of one thread each.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from perf.job import Job, Options
from perf.local import read_once
from perf.report import Report, number
from perf.rounds import Entry
from perf.shapes import Shape
from perf.tables import data_files

__all__ = ["run"]

_HEAD = ("", "batches/s", "against", "batches/s", "ratio", "min to max")
_NUM_RANKS = 2
_LANES = 4


def run(shape: Shape, table: Path, *, repeats: int, min_s: float) -> Report:
    """Measure `table` both ways."""
    console = Console(stderr=True)
    read_once(table)

    def entry(name: str, contestant: str, **options: str | float | bool | None) -> Entry:
        return Entry(name, _job(shape, table, contestant, options, min_s))

    pairs = [
        (
            entry(
                f"in one storage, {workers} workers",
                "in_workers",
                num_workers=workers,
                columns_apart=False,
            ),
            entry("a storage per column", "in_workers", num_workers=workers, columns_apart=True),
        )
        for workers in (1, 2)
    ]
    version = len(data_files(table)) - 1
    for shuffle in (False, True):
        shared: Options = {"shuffle": shuffle, "lanes": _LANES, "version": version}
        name = f"{_NUM_RANKS} ranks{', shuffled' * shuffle}"
        pairs.append(
            (
                entry(name, "ranks", num_ranks=_NUM_RANKS, **shared),
                entry("1 rank", "ranks", num_ranks=1, **shared),
            )
        )
    for round_number in range(repeats):
        for ours, theirs in pairs:
            # Who is first changes, for the machine may be slower from here on.
            for one in (ours, theirs) if round_number % 2 == 0 else (theirs, ours):
                one.run()
            ratio = ours.ratios_to(theirs)[-1]
            console.print(f"{shape.name} {round_number + 1}/{repeats} {ours.name}: {ratio:.2f}")
    figures = [
        {
            "name": ours.name,
            "against": theirs.name,
            "ratios": ours.ratios_to(theirs),
            "rounds": [dataclasses.asdict(done) for done in ours.rounds],
            "rounds_against": [dataclasses.asdict(done) for done in theirs.rounds],
        }
        for ours, theirs in pairs
    ]
    title = f"{shape.name}, batches of {shape.batch_size:,} rows, between processes: {shape.about}"
    return Report(title, _HEAD, [_row(*pair, shape.batch_size) for pair in pairs], figures)


def _job(shape: Shape, table: Path, contestant: str, options: Options, min_s: float) -> Job:
    return Job(
        contestant=contestant,
        path=str(table.absolute()),
        columns=shape.columns,
        id_column=shape.id_column,
        batch_size=shape.batch_size,
        options=options,
        num_threads=_NUM_RANKS,
        min_s=min_s,
    )


def _row(ours: Entry, theirs: Entry, batch_size: int) -> Sequence[str]:
    ratios = ours.ratios_to(theirs)
    return [
        ours.name,
        number(ours.median_of_rates() / batch_size),
        theirs.name,
        number(theirs.median_of_rates() / batch_size),
        f"{statistics.median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
    ]
