"""Owns Hugging Face datasets as a contestant: streamed Parquet, its Arrow batches made tensors."""

from __future__ import annotations

from collections.abc import Iterator

import datasets  # type: ignore[import-not-found]
from deltalake import DeltaTable

from perf.contestants.arrow_loop import exact_batches
from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """List the files; a pass streams them."""
    said = job.options["storage_options"]
    assert isinstance(said, dict)
    options = {
        "key": said["aws_access_key_id"],
        "secret": said["aws_secret_access_key"],
        "client_kwargs": {"endpoint_url": said["aws_endpoint_url"]},
    }
    paths = list(DeltaTable(job.path, storage_options=said).file_uris())
    data = datasets.load_dataset(
        "parquet",
        data_files=paths,
        split="train",
        streaming=True,
        storage_options=options,
        columns=list(job.columns),
    ).with_format("arrow")

    def epoch() -> Iterator[int]:
        batches = (batch for table in data.iter(batch_size=65_536) for batch in table.to_batches())
        return exact_batches(batches, job.batch_size)

    return epoch
