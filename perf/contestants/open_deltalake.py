"""Owns the opening of a table by deltalake, for comparison."""

from __future__ import annotations

from collections.abc import Iterator

from deltalake import DeltaTable

from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Open the table and ask for its version."""
    table = DeltaTable(job.path)

    def epoch() -> Iterator[int]:
        yield table.version()

    return epoch
