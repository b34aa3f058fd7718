"""Owns the race on local files: contestants interleaved, round by round, each against the limit of its round."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from perf.contestants.roster import roster
from perf.job import Job, Options
from perf.limit import VARIANTS, variant_name
from perf.report import Report, mebibytes, number
from perf.rounds import Entry
from perf.shapes import Shape
from perf.tables import data_files, facts_of

__all__ = ["Settings", "limit_entries", "limit_report", "race"]

_HEAD = ("", "batch", "rows/s", "min to max", "of the limit", "first batch", "peak over imports")


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How a race is run."""

    repeats: int
    num_threads: int
    torch_threads: int
    min_s: float
    batch_sizes: Sequence[int]
    """Empty: the one of the shape."""
    only: Sequence[str]
    """Names of contestants, or what they begin with; empty: all."""
    deltastream_options: Options
    deltatorch_python: Path | None
    """None: without deltatorch."""


def race(shape: Shape, table: Path, settings: Settings) -> Report:
    """Measure everybody on `table`, in rounds."""
    console = Console(stderr=True)
    read_once(table)
    tried = limit_entries(shape, table, settings)
    for _ in range(2):
        for variant in tried:
            variant.run()
    fastest = max(tried, key=Entry.median_of_rates)
    limit = Entry("limit: " + fastest.name, fastest.job)
    entries = [limit, *_entries(shape, table, settings)]
    for number_of_round in range(settings.repeats):
        for entry in entries:
            done = entry.run()
            console.print(
                f"{shape.name} {number_of_round + 1}/{settings.repeats} {entry.name}, "
                f"batch {entry.job.batch_size}: {number(done.rows_per_s)} rows/s"
            )
    return _report(shape, table, entries, tried)


def limit_entries(shape: Shape, table: Path, settings: Settings) -> list[Entry]:
    """The limit in each of its variants."""
    job = _job(shape, table, settings, module="limit", options={}, batch_size=0)
    return [
        Entry(variant_name(variant), dataclasses.replace(job, options=variant))
        for variant in VARIANTS
    ]


def limit_report(shape: Shape, table: Path, settings: Settings) -> Report:
    """Measure only the limit, in every variant."""
    read_once(table)
    entries = limit_entries(shape, table, settings)
    for _ in range(settings.repeats):
        for entry in entries:
            entry.run()
    return _report(shape, table, entries, [])


def read_once(table: Path) -> None:
    """Bring the files of `table` into the page cache."""
    for file in data_files(table):
        with file.open("rb") as opened:
            while opened.read(1 << 24):
                pass


def _entries(shape: Shape, table: Path, settings: Settings) -> list[Entry]:
    entries = []
    for batch_size in settings.batch_sizes or (shape.batch_size,):
        for contestant in roster(shape, settings.deltastream_options):
            if settings.only and not contestant.name.startswith(tuple(settings.only)):
                continue
            job = _job(
                shape,
                table,
                settings,
                module=contestant.module,
                options=contestant.options,
                batch_size=batch_size,
            )
            entry = Entry(contestant.name, job)
            if contestant.module == "deltatorch":
                if settings.deltatorch_python is None:
                    continue
                entry.python = settings.deltatorch_python
            entries.append(entry)
    return entries


def _job(
    shape: Shape, table: Path, settings: Settings, *, module: str, options: Options, batch_size: int
) -> Job:
    return Job(
        contestant=module,
        path=str(table.absolute()),
        columns=shape.columns,
        id_column=shape.id_column,
        batch_size=batch_size,
        options=options,
        num_threads=settings.num_threads,
        torch_threads=settings.torch_threads,
        min_s=settings.min_s,
    )


def _report(shape: Shape, table: Path, entries: list[Entry], tried: list[Entry]) -> Report:
    facts = facts_of(shape, table)
    rows = [_row(entry, entries[0]) for entry in entries]
    figures = {
        "table": dataclasses.asdict(facts),
        "entries": [_figures(entry, entries[0]) for entry in entries],
        "limit_variants": {entry.name: entry.median_of_rates() for entry in tried},
    }
    title = f"{shape.name}: {shape.about}; {facts.num_rows:,} rows in {facts.num_files} files"
    return Report(title, _HEAD, rows, figures)


def _row(entry: Entry, limit: Entry) -> list[str]:
    rates = [done.rows_per_s for done in entry.rounds]
    over = statistics.median(done.peak_nbytes - done.baseline_nbytes for done in entry.rounds)
    first_ms = 1e3 * statistics.median(done.first_batch_s for done in entry.rounds)
    prefix = "" if all(done.whole for done in entry.rounds) else " (of a prefix)"
    return [
        entry.name,
        str(entry.job.batch_size or "-"),
        number(statistics.median(rates)) + prefix,
        f"{number(min(rates))} to {number(max(rates))}",
        f"{statistics.median(entry.ratios_to(limit)):.1%}",
        f"{first_ms:,.0f} ms",
        mebibytes(over),
    ]


def _figures(entry: Entry, limit: Entry) -> dict[str, object]:
    ratios = entry.ratios_to(limit)
    return {
        "name": entry.name,
        "batch_size": entry.job.batch_size,
        "options": entry.job.options,
        "num_threads": entry.job.num_threads,
        "torch_threads": entry.job.torch_threads,
        "rows_per_s": entry.median_of_rates(),
        "ratio_to_limit": statistics.median(ratios),
        "ratios_to_limit": ratios,
        "rounds": [dataclasses.asdict(done) for done in entry.rounds],
    }
