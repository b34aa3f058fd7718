"""Owns the time to the next batch, from the start of an epoch and from states within it."""

from __future__ import annotations

import dataclasses
import gc
import statistics
import time
from pathlib import Path

from perf.fabricate import NUM_ROWS, fabricate_table
from perf.report import Report

__all__ = ["run"]

_NUM_COLUMNS = 8
_BATCH_SIZE = 256
_SHARES = (0.0, 0.01, 0.5, 0.99)
_HEAD = ("", "ms, open and load", "ms, to the next batch", "of a fresh start")


@dataclasses.dataclass(slots=True)
class Times:
    """The rounds of one place in the epoch."""

    name: str
    share: float
    open_s: list[float] = dataclasses.field(default_factory=list)
    """Until the loader is made, and the state loaded."""
    next_s: list[float] = dataclasses.field(default_factory=list)
    """From there to the first batch."""


def run(num_files: int, folder: Path, repeats: int, shuffle: bool) -> Report:
    """Measure on a table of `num_files` files, places interleaved, after a warm-up; a new loader each time."""
    table = fabricate_table(
        folder / f"files-{num_files}",
        num_files=num_files,
        num_columns=_NUM_COLUMNS,
        with_files=True,
    )
    names = ["a fresh start", *(f"from a state at {share:.0%}" for share in _SHARES[1:])]
    times = [Times(name, share) for name, share in zip(names, _SHARES, strict=True)]
    num_batches = num_files * NUM_ROWS // _BATCH_SIZE
    for round_ in range(repeats + 1):
        for one in times:
            opened_s, next_s = _measure(table, int(one.share * num_batches), shuffle=shuffle)
            if round_ > 0:
                one.open_s.append(opened_s)
                one.next_s.append(next_s)
    kind = "shuffled" if shuffle else "in order"
    title = f"Time to the next batch of {_BATCH_SIZE} rows, {num_files:,} files, {kind}"
    rows = [_row(one, times[0]) for one in times]
    return Report(title, _HEAD, rows, [dataclasses.asdict(one) for one in times])


def _measure(table: Path, microbatch: int, *, shuffle: bool) -> tuple[float, float]:
    from deltastream import create_pytorch_dataloader

    gc.collect()
    start = time.perf_counter()
    loader = create_pytorch_dataloader(table, batch_size=_BATCH_SIZE, shuffle=shuffle)
    if microbatch:
        loader.load_state_dict(loader.state_dict() | {"next_microbatch": microbatch})
    ready = time.perf_counter()
    batches = iter(loader)
    next(batches)
    end = time.perf_counter()
    batches.close()
    return ready - start, end - ready


def _row(one: Times, fresh: Times) -> list[str]:
    ratio = statistics.median(a / b for a, b in zip(one.next_s, fresh.next_s, strict=True))
    return [one.name, _cell(one.open_s), _cell(one.next_s), f"{ratio:.2f}"]


def _cell(seconds: list[float]) -> str:
    low, high = 1e3 * min(seconds), 1e3 * max(seconds)
    return f"{1e3 * statistics.median(seconds):,.1f} ({low:,.1f} to {high:,.1f})"
