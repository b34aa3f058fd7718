"""Owns the time to the first batch, against the least that any reader must do: the log, one footer, one row group.

Both in fresh processes, imports done: the first time in a process (which also pays for what is loaded on first use),
and again in the same process.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from perf.fabricate import fabricate_table
from perf.job import Job, Options
from perf.report import Report
from perf.watch import watch

__all__ = ["run"]

_NUM_COLUMNS = 8
_NUM_OPENS = 4
_HEAD = ("", "files", "ms, first in a process", "of by hand", "ms, again", "of by hand")


@dataclasses.dataclass(slots=True)
class Times:
    """The rounds of one contestant: seconds to the first batch, the first time and again."""

    name: str
    num_files: int
    first_s: list[float] = dataclasses.field(default_factory=list)
    again_s: list[float] = dataclasses.field(default_factory=list)

    def run(self, job: Job) -> None:
        """Measure in one more fresh process."""
        _, *opens = watch([sys.executable, "-m", "perf.child", job.to_json()])
        first_s, *again_s = (event.values["first_batch_s"] for event in opens)
        self.first_s.append(first_s)
        self.again_s.append(statistics.median(again_s))


def run(sizes: Sequence[int], folder: Path, repeats: int, extra: Options) -> Report:
    """Measure on tables of `sizes` files, contestants interleaved."""
    rows: list[list[str]] = []
    figures: list[dict[str, object]] = []
    for num_files in sizes:
        table = fabricate_table(
            folder / f"files-{num_files}",
            num_files=num_files,
            num_columns=_NUM_COLUMNS,
            with_files=True,
        )
        jobs = dict(_jobs(table, extra))
        times = [Times(name, num_files) for name in jobs]
        for _ in range(repeats):
            for one in times:
                one.run(jobs[one.name])
        for one in times:
            rows.append(_row(one, times[0]))
            figures.append(dataclasses.asdict(one))
    return Report("Time to the first batch, imports done", _HEAD, rows, figures)


def _jobs(table: Path, extra: Options) -> list[tuple[str, Job]]:
    columns = tuple(f"f{index}" for index in range(_NUM_COLUMNS))
    least = Job(
        "least_work", str(table.absolute()), columns, "", 256, options={}, num_opens=_NUM_OPENS
    )
    ours = dataclasses.replace(least, contestant="deltastream", options=extra)
    shuffled = dataclasses.replace(ours, options={"shuffle": True, **extra})
    return [
        ("log, footer, row group by hand", least),
        ("deltastream", ours),
        ("deltastream, shuffled", shuffled),
    ]


def _row(one: Times, least: Times) -> list[str]:
    cells = [one.name, f"{one.num_files:,}"]
    for ours, theirs in ((one.first_s, least.first_s), (one.again_s, least.again_s)):
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        spread = f"{1e3 * min(ours):,.1f} to {1e3 * max(ours):,.1f}"
        cells += [f"{1e3 * statistics.median(ours):,.1f} ({spread})", f"{ratio:.2f}"]
    return cells
