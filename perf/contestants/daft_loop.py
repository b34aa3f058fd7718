"""Owns Daft as a contestant: `read_deltalake`, its record batches made exact batches of tensors."""

from __future__ import annotations

from collections.abc import Iterator

import daft  # type: ignore[import-not-found]
from daft.io import IOConfig, S3Config  # type: ignore[import-not-found]

from perf.contestants.arrow_loop import exact_batches
from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Open the table; a pass iterates it."""
    said = job.options["storage_options"]
    assert isinstance(said, dict)
    s3 = S3Config(
        endpoint_url=said["aws_endpoint_url"],
        key_id=said["aws_access_key_id"],
        access_key=said["aws_secret_access_key"],
        region_name=said.get("aws_region", "us-east-1"),
        use_ssl=False,
    )

    def epoch() -> Iterator[int]:
        frame = daft.read_deltalake(job.path, io_config=IOConfig(s3=s3)).select(*job.columns)
        return exact_batches(frame.to_arrow_iter(), job.batch_size)

    return epoch
