"""Owns the counting of rows that pass a filter, where partition values and statistics leave that open."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import numpy as np
import numpy.typing as npt

from deltastream.engine.pool import DecodePool
from deltastream.pipeline.selector import Prepared, Selector
from deltastream.pipeline.tails import fetch_tails

__all__ = ["count_dropped"]

_MAX_FILES = 16
"""Files looked at in one job: fewer hops between threads."""


async def count_dropped(
    selector: Selector, files: npt.NDArray[np.int64], pool: DecodePool
) -> npt.NDArray[np.int64]:
    """Return how many rows of each of `files` do not live, deleted or dropped by the filter.

    Reads the filter's columns alone, in all threads of `pool` at once.

    Raises:
        ReadError: A file, or its deletion vector, is not what the log promised.
    """
    found = np.zeros(len(files), np.int64)
    failures: list[Exception] = []

    async def count(starts: Iterator[int]) -> None:
        for start in starts:
            some = files[start : start + _MAX_FILES].tolist()
            try:
                tails = await fetch_tails(selector.files, some, stage="filter")
                prepared = await selector.prepare(some, tails, pool)
                found[start : start + len(some)] = await pool.run(_count, selector, some, prepared)
            except Exception as error:
                # A task group would wrap it; the others end after what they are at.
                failures.append(error)
            if failures:
                return

    starts = iter(range(0, len(files), _MAX_FILES))
    async with anyio.create_task_group() as tasks:
        for _ in range(pool.num_threads + 1):
            tasks.start_soon(count, starts)
    if failures:
        raise failures[0]
    return found


def _count(selector: Selector, files: list[int], prepared: Prepared) -> list[int]:
    selections = (selector.select(file, prepared) for file in files)
    return [0 if selection is None else selection.num_dropped for selection in selections]
