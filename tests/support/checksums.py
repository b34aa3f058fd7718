"""Writes Delta tables whose Parquet pages have checksums, which deltalake does not write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.logs import LogFolder, add, metadata, protocol

__all__ = ["assert_noisy", "noisy", "write_with_checksums"]

_FACTORS = (2654435761, 2246822519, 3266489917)


def noisy(start: int, stop: int) -> pa.Table:
    """Rows of 32 bytes that do not compress, and that follow from `id`."""
    ids = np.arange(start, stop)
    return pa.table({"id": ids, **{f"n{i}": ids * f % 2**31 for i, f in enumerate(_FACTORS)}})


def assert_noisy(columns: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    """Check that every value follows from its row's `id`."""
    for i, factor in enumerate(_FACTORS):
        assert np.array_equal(columns[f"n{i}"], columns["id"] * factor % 2**31)


def write_with_checksums(root: Path, sizes: Sequence[int], *, row_group_rows: int) -> Path:
    """Write a file of `noisy` rows per size in one commit; ids count on."""
    log = LogFolder(root)
    adds, start = [], 0
    for number, size in enumerate(sizes):
        path = root / f"part-{number:05d}.parquet"
        rows = noisy(start, start + size)
        pq.write_table(rows, path, row_group_size=row_group_rows, write_page_checksum=True)
        stats = json.dumps({"numRecords": size})
        adds.append(add(path.name, modified_ms=number, size=path.stat().st_size, stats=stats))
        start += size
    log.commit(0, protocol(), metadata(dict.fromkeys(noisy(0, 1).column_names, "long")), *adds)
    return root
