"""Owns the hand-written loop: pyarrow's dataset to exact batches of torch tensors, as one writes it by hand.

``DeltaTable.to_pyarrow_dataset().to_batches()`` with Arrow's own threads, whole record batches converted at once
(zero-copy where torch can take Arrow's memory), exact batches cut from them as views.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from deltalake import DeltaTable

from perf.job import Epochs, Job
from perf.shapes import FEATURES

__all__ = ["exact_batches", "open_table"]

Column: TypeAlias = "torch.Tensor | list[bytes]"


def open_table(job: Job) -> Epochs:
    """Open the table once; a pass scans it.

    Options: ``stacked``, the 32 features as one tensor; ``buffer_rows``, shuffle within so many rows.
    """
    # Arrow's memory is read-only and so are, by promise, the tensors that share it.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    pa.set_cpu_count(job.num_threads)
    pa.set_io_thread_count(job.num_threads)
    said = job.options.get("storage_options")
    assert said is None or isinstance(said, dict)
    dataset = DeltaTable(job.path, storage_options=said).to_pyarrow_dataset()
    stacked = bool(job.options.get("stacked", False))
    buffer_rows = int(job.options.get("buffer_rows") or 0)

    def epoch() -> Iterator[int]:
        chunks = _chunks(dataset, list(job.columns), stacked=stacked)
        if buffer_rows:
            chunks = _shuffled(chunks, buffer_rows)
        for batch in _exact(chunks, job.batch_size):
            yield _length(batch)

    return epoch


def exact_batches(batches: Iterator[pa.RecordBatch], batch_size: int) -> Iterator[int]:
    """Make tensors of record batches, cut exact batches of them, and yield how many rows each has."""
    chunks = (_to_tensors(batch, stacked=False) for batch in batches if batch.num_rows)
    for batch in _exact(chunks, batch_size):
        yield _length(batch)


def _chunks(
    dataset: pa.dataset.Dataset, columns: list[str], *, stacked: bool
) -> Iterator[dict[str, Column]]:
    for batch in dataset.to_batches(columns=columns):
        if batch.num_rows:
            yield _to_tensors(batch, stacked=stacked)


def _to_tensors(batch: pa.RecordBatch, *, stacked: bool) -> dict[str, Column]:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    result: dict[str, Column] = {}
    if stacked:
        features = [columns.pop(name).to_numpy() for name in FEATURES]
        result["features"] = torch.from_numpy(np.stack(features, axis=1))
    for name, array in columns.items():
        result[name] = _to_column(array)
    return result


def _to_column(array: pa.Array) -> Column:
    if pa.types.is_binary(array.type):
        offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)
        offsets = offsets[array.offset : array.offset + len(array) + 1]
        lengths = np.diff(offsets)
        if lengths.min() != lengths.max():
            rows: list[bytes] = array.to_pylist()
            return rows
        values = np.frombuffer(array.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
        return torch.from_numpy(values.reshape(len(array), -1))
    if pa.types.is_list(array.type):
        return torch.from_numpy(array.flatten().to_numpy().reshape(len(array), -1))
    return torch.from_numpy(array.to_numpy())


def _length(columns: dict[str, Column]) -> int:
    return len(next(iter(columns.values())))


def _slice(columns: dict[str, Column], start: int, stop: int) -> dict[str, Column]:
    return {name: column[start:stop] for name, column in columns.items()}


def _joined(chunks: list[dict[str, Column]]) -> dict[str, Column]:
    if len(chunks) == 1:
        return chunks[0]
    return {name: _joined_column([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _joined_column(parts: list[Column]) -> Column:
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    if tensors:
        return torch.cat(tensors)
    return [value for part in parts for value in part]


def _exact(chunks: Iterator[dict[str, Column]], batch_size: int) -> Iterator[dict[str, Column]]:
    """Cut batches of `batch_size` rows; only those that cross chunks are copied."""
    held: list[dict[str, Column]] = []
    held_rows = 0
    for chunk in chunks:
        start, num_rows = 0, _length(chunk)
        if held:
            start = min(batch_size - held_rows, num_rows)
            held.append(_slice(chunk, 0, start))
            held_rows += start
            if held_rows < batch_size:
                continue
            yield _joined(held)
            held, held_rows = [], 0
        while num_rows - start >= batch_size:
            yield _slice(chunk, start, start + batch_size)
            start += batch_size
        if start < num_rows:
            held, held_rows = [_slice(chunk, start, num_rows)], num_rows - start
    if held:
        yield _joined(held)


def _shuffled(chunks: Iterator[dict[str, Column]], buffer_rows: int) -> Iterator[dict[str, Column]]:
    """Permute the rows of every `buffer_rows` or so."""
    held: list[dict[str, Column]] = []
    held_rows = 0
    for chunk in chunks:
        held.append(chunk)
        held_rows += _length(chunk)
        if held_rows >= buffer_rows:
            yield _permuted(_joined(held))
            held, held_rows = [], 0
    if held:
        yield _permuted(_joined(held))


def _permuted(columns: dict[str, Column]) -> dict[str, Column]:
    order = torch.randperm(_length(columns))
    return {
        name: [column[i] for i in order.tolist()] if isinstance(column, list) else column[order]
        for name, column in columns.items()
    }
