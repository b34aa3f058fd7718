"""Owns Ray Data as a contestant: `read_parquet` of the table's files, as tensors."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.fs
import ray  # type: ignore[import-not-found]
from deltalake import DeltaTable

from perf.job import Epochs, Job

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Start Ray and list the files; a pass reads them."""
    said = job.options["storage_options"]
    assert isinstance(said, dict)
    ray.init(num_cpus=job.num_threads, log_to_driver=False, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    host = said["aws_endpoint_url"].removeprefix("http://")
    files = pyarrow.fs.S3FileSystem(
        access_key=said["aws_access_key_id"],
        secret_key=said["aws_secret_access_key"],
        endpoint_override=host,
        scheme="http",
        region="us-east-1",
    )
    paths = [
        uri.removeprefix("s3://") for uri in DeltaTable(job.path, storage_options=said).file_uris()
    ]

    def epoch() -> Iterator[int]:
        data = ray.data.read_parquet(paths, filesystem=files, columns=list(job.columns))
        for batch in data.iter_torch_batches(batch_size=job.batch_size):
            yield len(next(iter(batch.values())))

    return epoch
