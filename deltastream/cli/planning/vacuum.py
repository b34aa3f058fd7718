"""Owns how long the files of a version are safe: what later versions removed, and when the first may be deleted."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import pyarrow.compute as pc

from deltastream.engine.pool import DecodePool
from deltastream.log import read_snapshot
from deltastream.log.listing import list_log
from deltastream.storage import Storage
from deltastream.types import Snapshot

__all__ = ["Removals", "find_removals", "parse_interval_ms"]

_RETENTION = "delta.deletedFileRetentionDuration"
_DEFAULT_MS = 7 * 86_400_000
"""Delta: files are kept for a week after their removal where the table does not say otherwise."""
_UNIT_MS = {
    "week": 604_800_000,
    "day": 86_400_000,
    "hour": 3_600_000,
    "minute": 60_000,
    "second": 1_000,
    "millisecond": 1,
}
_AMOUNT = re.compile(r"(\d+)\s+(week|day|hour|minute|second|millisecond)s?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Removals:
    """What happened to the files of a version since."""

    retention_ms: int
    num_files: int
    """Files that the latest version no longer has."""
    oldest_ms: int
    """When the first of them may have been removed; now, where there is none."""


async def find_removals(snapshot: Snapshot, storage: Storage, *, pool: DecodePool) -> Removals:
    """Compare `snapshot` with the latest version. Reads the log once more where that is another."""
    listing = await list_log(storage, pool=pool)
    now_ms = int(time.time() * 1000)
    latest = snapshot
    if listing.latest > snapshot.version:
        latest = await read_snapshot(storage, pool=pool, version=listing.latest)
    retention_ms = parse_interval_ms(latest.configuration.get(_RETENTION)) or _DEFAULT_MS
    is_live = pc.is_in(snapshot.files["path"], value_set=latest.files["path"].combine_chunks())
    num_removed = snapshot.files.num_rows - (pc.sum(is_live).as_py() or 0)
    if not num_removed:
        return Removals(retention_ms, 0, now_ms)
    # No earlier than the next commit; which one it was would take reading them all.
    following = listing.commits.get(snapshot.version + 1)
    return Removals(retention_ms, num_removed, 0 if following is None else following.modified_ms)


def parse_interval_ms(text: str | None) -> int | None:
    """Return the milliseconds of ``interval 1 week`` or ``interval 2 days 3 hours``; None where that is not said."""
    found = _AMOUNT.findall(text or "")
    return sum(int(amount) * _UNIT_MS[unit.lower()] for amount, unit in found) if found else None
