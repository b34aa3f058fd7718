"""Owns the time to the first batch, against the least that any reader must do: the log, one footer, one row group.

Both in fresh processes, imports done: the first time in a process (which also pays for what is loaded on first use),
and again in the same process.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from perf.fabricate import fabricate_table
from perf.job import Job, Options
from perf.report import Report
from perf.shapes import Shape
from perf.tables import ensure_table
from perf.watch import watch

__all__ = ["fabricated_tables", "run", "tables_of_shapes"]

_NUM_COLUMNS = 8
_NUM_OPENS = 4
_HEAD = ("", "table", "ms, first in a process", "of by hand", "ms, again", "of by hand")


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A table that is opened, and what is read of it."""

    name: str
    path: Path
    columns: tuple[str, ...]
    batch_size: int
    is_stacked: bool = False


@dataclasses.dataclass(slots=True)
class Times:
    """The rounds of one contestant: seconds to the first batch, the first time and again."""

    name: str
    table: str
    first_s: list[float] = dataclasses.field(default_factory=list)
    again_s: list[float] = dataclasses.field(default_factory=list)

    def run(self, job: Job) -> None:
        """Measure in one more fresh process."""
        _, *opens = watch([sys.executable, "-m", "perf.child", job.to_json()])
        first_s, *again_s = (event.values["first_batch_s"] for event in opens)
        self.first_s.append(first_s)
        self.again_s.append(statistics.median(again_s))


def fabricated_tables(sizes: Sequence[int], folder: Path) -> Iterable[Opened]:
    """Tables of `sizes` small files."""
    columns = tuple(f"f{index}" for index in range(_NUM_COLUMNS))
    for num_files in sizes:
        path = fabricate_table(
            folder / f"files-{num_files}",
            num_files=num_files,
            num_columns=_NUM_COLUMNS,
            with_files=True,
        )
        yield Opened(f"{num_files:,} small files", path, columns, batch_size=256)


def tables_of_shapes(
    shapes: Sequence[Shape], folder: Path, *, mnist: Path | None
) -> Iterable[Opened]:
    """The tables of `shapes`, read in batches as the local benchmark reads them."""
    for shape in shapes:
        path = ensure_table(shape, folder, mnist=mnist)
        yield Opened(shape.name, path, shape.columns, shape.batch_size, shape.name == "tab")


def run(tables: Iterable[Opened], repeats: int, extra: Options) -> Report:
    """Measure on `tables`, contestants interleaved."""
    rows: list[list[str]] = []
    figures: list[dict[str, object]] = []
    for table in tables:
        jobs = dict(_jobs(table, extra))
        times = [Times(name, table.name) for name in jobs]
        for _ in range(repeats):
            for one in times:
                one.run(jobs[one.name])
        for one in times:
            rows.append(_row(one, times[0]))
            figures.append(dataclasses.asdict(one))
    return Report("Time to the first batch, imports done", _HEAD, rows, figures)


def _jobs(table: Opened, extra: Options) -> list[tuple[str, Job]]:
    least = Job(
        "least_work",
        str(table.path.absolute()),
        table.columns,
        "",
        table.batch_size,
        options={},
        num_opens=_NUM_OPENS,
    )
    own: Options = {"stacked": True} if table.is_stacked else {}
    ours = dataclasses.replace(least, contestant="deltastream", options={**own, **extra})
    shuffled = dataclasses.replace(ours, options={"shuffle": True, **own, **extra})
    return [
        ("log, footer, row group by hand", least),
        (
            "the same, the log by deltalake",
            dataclasses.replace(least, options={"with_deltalake": True}),
        ),
        ("deltastream", ours),
        ("deltastream, shuffled", shuffled),
    ]


def _row(one: Times, least: Times) -> list[str]:
    cells = [one.name, one.table]
    for ours, theirs in ((one.first_s, least.first_s), (one.again_s, least.again_s)):
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        spread = f"{1e3 * min(ours):,.1f} to {1e3 * max(ours):,.1f}"
        cells += [f"{1e3 * statistics.median(ours):,.1f} ({spread})", f"{ratio:.2f}"]
    return cells
