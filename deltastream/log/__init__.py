"""The log room: one version of a Delta table's ``_delta_log``, replayed into a `Snapshot`."""

from deltastream.log.snapshot import read_snapshot

__all__ = ["read_snapshot"]
