"""Owns deltastream as a contestant: the loader as a user makes it, with the options of the job."""

from __future__ import annotations

from collections.abc import Iterator

from deltastream import FieldSpec, create_pytorch_dataloader
from perf.job import Epochs, Job
from perf.shapes import FEATURES

__all__ = ["open_table"]


def open_table(job: Job) -> Epochs:
    """Make the loader.

    The option ``stacked`` asks for the 32 features as one tensor; every other option is the loader's own.
    """
    options = dict(job.options)
    if options.pop("stacked", False):
        rest = [name for name in job.columns if name not in FEATURES]
        fields = [FieldSpec(list(FEATURES), target_name="features"), *map(FieldSpec, rest)]
    else:
        fields = [FieldSpec(name) for name in job.columns]
    loader = create_pytorch_dataloader(
        job.path, fields=fields, batch_size=job.batch_size, num_workers=0, **options
    )

    def epoch() -> Iterator[int]:
        for batch in loader:
            yield len(next(iter(batch.values())))

    return epoch
