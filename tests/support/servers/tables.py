"""Puts Delta tables into an object store: written there by deltalake, or here and then copied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from tests.support.servers.store import ObjectStore
from tests.support.tables import write_files

__all__ = ["write_table"]


def write_table(store: ObjectStore, path: str, parts: Sequence[pa.Table], **options: Any) -> str:
    """Append each part in a commit of its own and return the table's URI; options as of `write_files`."""
    if store.name != "gcs":
        uri = store.uri(path)
        return write_files(uri, parts, storage_options=dict(store.storage_options), **options)
    # fake-gcs-server takes no uploads of the kind that deltalake makes.
    with TemporaryDirectory() as folder:
        write_files(Path(folder), parts, **options)
        return store.upload(Path(folder), path)
