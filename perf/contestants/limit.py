"""Owns the limit as a contestant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perf.job import Epochs, Job
from perf.limit import decode_all, list_row_groups

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """List the row groups; a pass decodes each once."""
    units = list_row_groups(Path(job.path))

    def epoch() -> Iterator[int]:
        return decode_all(
            units,
            list(job.columns),
            memory_map=bool(job.options["memory_map"]),
            pre_buffer=bool(job.options["pre_buffer"]),
            num_threads=job.num_threads,
        )

    return epoch
