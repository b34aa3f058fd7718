"""From a file of the snapshot to bytes that can be decoded. Local files are mapped; of others ranges are fetched."""

from deltastream.fetch.data_files import DataFiles
from deltastream.fetch.deletion_vectors import DeletionVectors
from deltastream.fetch.fetched import Fetched
from deltastream.fetch.open import open_data_files
from deltastream.fetch.statistics import FetchStatistics

__all__ = ["DataFiles", "DeletionVectors", "FetchStatistics", "Fetched", "open_data_files"]
