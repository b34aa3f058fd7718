"""Owns the choice between files that are mapped and files that are fetched."""

from __future__ import annotations

from deltastream.fetch.data_files import DataFiles
from deltastream.fetch.local import LocalFiles
from deltastream.fetch.remote import RemoteFiles
from deltastream.storage import Storage
from deltastream.types import Snapshot

__all__ = ["open_data_files"]


def open_data_files(snapshot: Snapshot, storage: Storage) -> DataFiles:
    """Return the data files of a snapshot, which lie where its table does."""
    is_local = storage.local_path("") is not None
    return LocalFiles(snapshot, storage) if is_local else RemoteFiles(snapshot, storage)
