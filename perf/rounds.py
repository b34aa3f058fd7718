"""Owns one measurement and its figures: a job in a fresh process, and what the rounds of it come to."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from perf.job import Job
from perf.watch import watch

__all__ = ["Entry", "Round", "measure"]


@dataclass(frozen=True, slots=True)
class Round:
    """What one fresh process measured."""

    rows_per_s: float
    """The median of its passes after the warm-up."""
    first_batch_s: float
    """From the call that opens the table to the first batch, imports done."""
    baseline_nbytes: int
    """RssAnon + RssShmem after the imports."""
    peak_nbytes: int
    """The most that RssAnon + RssShmem came to, over all passes."""
    peak_all_nbytes: int
    num_passes: int
    whole: bool
    """Whether passes went over the whole table."""
    cpu_s_per_row: float
    """Of all threads; the median of its passes."""


@dataclass(slots=True)
class Entry:
    """A contestant at a batch size, and its rounds so far."""

    name: str
    job: Job
    python: Path = field(default_factory=lambda: Path(sys.executable))
    rounds: list[Round] = field(default_factory=list)

    def run(self) -> Round:
        """Measure once more."""
        done = measure(self.job, self.python)
        self.rounds.append(done)
        return done

    def median_of_rates(self) -> float:
        """The median of the rounds, in rows/s."""
        return statistics.median(done.rows_per_s for done in self.rounds)

    def ratios_to(self, limit: Entry) -> list[float]:
        """Round for round, the share of the limit's rate."""
        pairs = zip(self.rounds, limit.rounds, strict=True)
        return [ours.rows_per_s / theirs.rows_per_s for ours, theirs in pairs]


def measure(job: Job, python: Path) -> Round:
    """Run `job` in a fresh process of `python`.

    Raises:
        ChildError: It ended with an error.
    """
    events = watch([str(python), "-m", "perf.child", job.to_json()])
    ready, opened, *epochs = events
    timed = [event for event in epochs if not event.values["warm_up"]]
    rates = [event.values["num_rows"] / event.values["elapsed_s"] for event in timed]
    return Round(
        rows_per_s=statistics.median(rates),
        first_batch_s=opened.values["open_s"] + epochs[0].values["first_batch_s"],
        baseline_nbytes=ready.resident_nbytes,
        peak_nbytes=max(event.peak_nbytes for event in events[1:]),
        peak_all_nbytes=max(event.peak_all_nbytes for event in events[1:]),
        num_passes=len(timed),
        whole=all(event.values["finished"] for event in timed),
        cpu_s_per_row=statistics.median(
            event.values["cpu_s"] / event.values["num_rows"] for event in timed
        ),
    )
