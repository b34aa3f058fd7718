"""From a file of the snapshot to bytes that can be decoded. Local files are mapped, not read."""

from deltastream.fetch.deletion_vectors import DeletionVectors
from deltastream.fetch.local import LocalFiles

__all__ = ["DeletionVectors", "LocalFiles"]
