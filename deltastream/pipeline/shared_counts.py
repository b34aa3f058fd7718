"""Owns the sharing of what counting a filter's rows came to: one rank reads the filter's columns, not all of them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

import numpy as np
import numpy.typing as npt

from deltastream.engine.pool import DecodePool
from deltastream.options import FILTER_COUNT_TIMEOUT_S
from deltastream.pipeline.filtering import count_dropped
from deltastream.pipeline.selector import Selector
from deltastream.types import Snapshot

__all__ = ["RankStore", "count_dropped_once"]


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

    def wait(self, key: str, *, timeout_s: float) -> bytes:
        """Wait for what rank 0 publishes."""


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
    counts: bytes | None
    if not store.is_first:
        counts = await pool.run(store.wait, key, timeout_s=FILTER_COUNT_TIMEOUT_S)
    else:
        counts = await pool.run(store.find, key)
    if counts is None:
        try:
            found = await count_dropped(selector, files, pool)
        except Exception as error:
            await pool.run(store.publish_failure, key, error)
            raise
        counts = await pool.run(store.publish, key, found.astype("<i8").tobytes())
    return np.frombuffer(counts, "<i8").astype(np.int64)


def _key(snapshot: Snapshot, files: npt.NDArray[np.int64], condition: object) -> str:
    """Name the counts by everything that they depend on."""
    digest = blake2b(repr(condition).encode(), digest_size=16)
    for path in snapshot.files["path"].take(files).to_pylist():
        digest.update(b"\0" + path.encode())
    return f"dropped/{snapshot.table_id}/{snapshot.version}/{digest.hexdigest()}"
