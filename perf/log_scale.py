"""Owns the opening of tables with large logs: time and memory over the imports, in a fresh process each."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from perf.fabricate import fabricate_table
from perf.job import Job
from perf.report import Report, mebibytes
from perf.watch import watch

__all__ = ["run"]

_OPENERS = {
    "deltastream": "open_deltastream",
    "deltalake": "open_deltalake",
    "pyarrow": "least_work",
}


def run(
    sizes: Sequence[int],
    statistics_columns: Sequence[int],
    folder: Path,
    repeats: int,
    one_vector_in: int | None = None,
) -> Report:
    """Open tables of `sizes` add actions with statistics on so many columns, openers interleaved.

    Args:
        one_vector_in: Every so many-th add action has a deletion vector; None: none has.
    """
    vectors = "" if one_vector_in is None else f", a deletion vector on one in {one_vector_in}"
    rows: list[list[str]] = []
    figures: list[dict[str, object]] = []
    for num_files in sizes:
        for num_columns in statistics_columns:
            table = fabricate_table(
                folder / f"log-{num_files}-{num_columns}-{one_vector_in or 0}",
                num_files=num_files,
                num_columns=num_columns,
                with_files=False,
                one_vector_in=one_vector_in,
            )
            for name, seen in _open_in_turns(table, repeats).items():
                open_s = statistics.median(one.open_s for one in seen)
                over = statistics.median(one.peak_over_nbytes for one in seen)
                kept = statistics.median(one.kept_over_nbytes for one in seen)
                size = f"{num_files:,} x {num_columns}"
                rows.append([name, size, f"{open_s:.2f} s", mebibytes(over), mebibytes(kept)])
                figures.append(
                    {
                        "name": name,
                        "num_files": num_files,
                        "num_statistics_columns": num_columns,
                        "one_vector_in": one_vector_in,
                        "seen": [dataclasses.asdict(one) for one in seen],
                    }
                )
    head = ("", "adds x columns with statistics", "open", "peak over imports", "kept")
    return Report(f"Opening a table with a large checkpoint{vectors}", head, rows, figures)


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """How one opening went."""

    open_s: float
    peak_over_nbytes: int
    kept_over_nbytes: int


def _open_in_turns(table: Path, repeats: int) -> dict[str, list[Opened]]:
    seen: dict[str, list[Opened]] = {name: [] for name in _OPENERS}
    for _ in range(repeats):
        for name, module in _OPENERS.items():
            job = Job(module, str(table.absolute()), ("f0",), "", 1_024, {}, num_epochs=0)
            ready, opened = watch([sys.executable, "-m", "perf.child", job.to_json()])
            baseline = ready.resident_nbytes
            seen[name].append(
                Opened(
                    opened.values["open_s"],
                    opened.peak_nbytes - baseline,
                    opened.resident_nbytes - baseline,
                )
            )
    return seen
