"""Owns the sharing of what counting a filter's rows came to: one rank reads the filter's columns, not all of them."""

from __future__ import annotations

import warnings
from hashlib import blake2b
from typing import Protocol

import anyio
import numpy as np
import numpy.typing as npt

from deltastream.engine.pool import DecodePool
from deltastream.errors import OptionError
from deltastream.options import FILTER_COUNT_TIMEOUT_S
from deltastream.pipeline.filtering import count_dropped
from deltastream.pipeline.selector import Selector
from deltastream.types import Snapshot

__all__ = ["RankStore", "count_dropped_once"]

_MAX_DELAY_S = 0.05
_WARN_AFTER_S = 60.0
_WAITED_FOR = (
    "for rank 0 to count the rows of the filter: all ranks must make the same loader. One that only some of them make "
    "needs rank and num_ranks of its own (use_fixed_rank=True, rank=0, num_ranks=1)"
)


class RankStore(Protocol):
    """Where rank 0 leaves what the others wait for; every method blocks."""

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0."""

    def find(self, key: str) -> bytes | None:
        """Return what was published; None: nothing yet."""

    def publish(self, key: str, value: bytes) -> bytes:
        """Publish `value` unless there is one, and return the one that counts."""

    def publish_failure(self, key: str, error: Exception) -> None:
        """Let the others fail as this rank did."""


async def count_dropped_once(
    selector: Selector,
    files: npt.NDArray[np.int64],
    pool: DecodePool,
    *,
    store: RankStore,
    snapshot: Snapshot,
    condition: object,
) -> npt.NDArray[np.int64]:
    """Return what `count_dropped` does, read by rank 0 alone.

    Raises:
        ReadError: Rank 0 found that a file, or its deletion vector, is not what the log promised.
        OptionError: Rank 0 did not count in time.
    """
    key = _key(snapshot, files, condition)
    counts = await pool.run(store.find, key)
    if counts is None and not store.is_first:
        counts = await _wait(store, key, pool)
    if counts is None:
        try:
            found = await count_dropped(selector, files, pool)
        except Exception as error:
            await pool.run(store.publish_failure, key, error)
            raise
        counts = await pool.run(store.publish, key, found.astype("<i8").tobytes())
    return np.frombuffer(counts, "<i8").astype(np.int64)


async def _wait(store: RankStore, key: str, pool: DecodePool) -> bytes:
    # Not in one call: what is cancelled, by Ctrl-C for instance, would have to wait for its end.
    start_s, delay_s, has_warned = anyio.current_time(), 0.001, False
    while (counts := await pool.run(store.find, key)) is None:
        waited_s = anyio.current_time() - start_s
        if waited_s > FILTER_COUNT_TIMEOUT_S:
            raise OptionError(f"this rank waited {waited_s:.0f} s {_WAITED_FOR}")
        if waited_s > _WARN_AFTER_S and not has_warned:
            has_warned = True
            warnings.warn(f"this rank has waited {waited_s:.0f} s {_WAITED_FOR}", stacklevel=1)
        await anyio.sleep(delay_s)
        delay_s = min(2 * delay_s, _MAX_DELAY_S)
    return counts


def _key(snapshot: Snapshot, files: npt.NDArray[np.int64], condition: object) -> str:
    """Name the counts by everything that they depend on."""
    digest = blake2b(repr(condition).encode(), digest_size=16)
    for path in snapshot.files["path"].take(files).to_pylist():
        digest.update(b"\0" + path.encode())
    return f"dropped/{snapshot.table_id}/{snapshot.version}/{digest.hexdigest()}"
