"""Owns the measurement of memory: many shuffled epochs under a budget, the peak of each over the imports."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from perf.job import Job, Options
from perf.report import Report, mebibytes, number
from perf.shapes import Shape
from perf.watch import Event, watch

__all__ = ["run"]


def run(
    shape: Shape, table: Path, *, num_epochs: int, budget_nbytes: int, extra: Options
) -> Report:
    """Read `table` `num_epochs` times, shuffled, in one fresh process."""
    stacked: Options = {"stacked": True} if shape.name == "tab" else {}
    job = Job(
        contestant="deltastream",
        path=str(table.absolute()),
        columns=shape.columns,
        id_column=shape.id_column,
        batch_size=shape.batch_size,
        options={"shuffle": True, "memory_budget": budget_nbytes, **stacked, **extra},
        num_epochs=num_epochs,
    )
    ready, opened, *epochs = watch([sys.executable, "-m", "perf.child", job.to_json()])
    baseline = ready.resident_nbytes
    rows = [["opened", "-", *_figures(opened, baseline)]]
    for index, event in enumerate(epochs):
        rate = event.values["num_rows"] / event.values["elapsed_s"]
        rows.append([f"epoch {index}", number(rate), *_figures(event, baseline)])
    peak_over = max(event.peak_nbytes for event in epochs) - baseline
    growth = (epochs[-1].peak_nbytes - baseline) / (
        epochs[min(1, len(epochs) - 1)].peak_nbytes - baseline
    )
    rows.append(["peak over imports", "-", "-", mebibytes(peak_over), f"last/second {growth:.3f}"])
    return Report(
        title=f"{shape.name}: memory over {num_epochs} shuffled epochs, budget {mebibytes(budget_nbytes)}, "
        f"imports {mebibytes(baseline)}",
        head=("", "rows/s", "resident at the end", "peak over imports", "kernel's peak, files too"),
        rows=rows,
        figures={
            "shape": shape.name,
            "options": job.options,
            "budget_nbytes": budget_nbytes,
            "baseline_nbytes": baseline,
            "peak_over_baseline_nbytes": peak_over,
            "peak_over_baseline_to_budget": peak_over / budget_nbytes,
            "last_to_second_epoch": growth,
            "epochs": [dataclasses.asdict(event) for event in epochs],
        },
    )


def _figures(event: Event, baseline: int) -> list[str]:
    return [
        mebibytes(event.resident_nbytes),
        mebibytes(event.peak_nbytes - baseline),
        mebibytes(event.peak_all_nbytes),
    ]
