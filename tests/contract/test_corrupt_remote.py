"""A remote file that does not decode ends an iterator with one error, and nothing is said on the way."""

from __future__ import annotations

import logging
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from deltalake import WriterProperties, write_deltalake

from deltastream import FileCorruptError, create_pytorch_dataloader


@pytest.mark.parametrize("shuffle", [False, True])
def test_row_groups_that_do_not_decode_leave_no_message(
    tmp_path: Path, shuffle: bool, caplog: pytest.LogCaptureFixture
) -> None:
    generator = np.random.default_rng(0)
    rows = pa.table({f"c{i}": generator.random(100_000) for i in range(4)})
    properties = WriterProperties(max_row_group_size=5_000, compression="ZSTD")
    write_deltalake(tmp_path / "table", rows, writer_properties=properties)
    store = fsspec.filesystem("memory")
    for path in (tmp_path / "table").rglob("*.*"):
        data = bytearray(path.read_bytes())
        if path.suffix == ".parquet":
            for at in range(100_000, len(data) - 100_000, 3001):
                data[at] ^= 0xFF
        store.pipe(f"/corrupt/{path.relative_to(tmp_path / 'table')}", bytes(data))
    with caplog.at_level(logging.WARNING):
        for _ in range(15):
            loader = create_pytorch_dataloader(
                "memory://corrupt", batch_size=1000, shuffle=shuffle, decode_threads=4
            )
            with pytest.raises(FileCorruptError):
                list(loader)
    store.rm("/corrupt", recursive=True)
    assert not caplog.records
