"""Owns the worth of the disk cache: the rate of a table that it has whole, against its local copy and the store."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from perf.job import Job, Options
from perf.report import Report, number
from perf.rounds import Entry
from perf.shapes import Shape
from tests.support.servers.seaweedfs import serve_s3

__all__ = ["run"]

_HEAD = ("", "rows/s", "of local", "CPU of local")


def run(shape: Shape, table: Path, *, repeats: int, min_s: float, extra: Options) -> Report:
    """Read `table` shuffled from the disk, from SeaweedFS through a cache that has it all, and from SeaweedFS."""
    with TemporaryDirectory() as folder, serve_s3(Path(folder, "s3")) as store:
        uri = store.upload(table, table.name)
        remote: Options = {"storage_options": dict(store.storage_options)}
        kept: Options = {**remote, "cache_dir": str(Path(folder, "cache"))}

        def entry(name: str, path: str, options: Options) -> Entry:
            chosen: Options = {"shuffle": True, **options, **extra}
            job = Job("deltastream", path, shape.columns, "", shape.batch_size, chosen, min_s=min_s)
            return Entry(name, job)

        local = entry("local", str(table), {})
        entries = [local, entry("from the cache", uri, kept), entry("from the store", uri, remote)]
        # One whole pass: a warm-up may be cut off before all is kept.
        filling = dataclasses.replace(entries[1].job, num_epochs=1)
        Entry("filling", filling).run()
        for _ in range(repeats):
            for one in entries:
                one.run()
    return Report(
        f"{shape.name}: every byte in the cache, shuffled, against the local table",
        _HEAD,
        [_row(one, local) for one in entries],
        [
            {"name": one.name, "rounds": [dataclasses.asdict(r) for r in one.rounds]}
            for one in entries
        ],
    )


def _row(one: Entry, local: Entry) -> list[str]:
    pairs = zip(one.rounds, local.rounds, strict=True)
    cpu = statistics.median(a.cpu_s_per_row / b.cpu_s_per_row for a, b in pairs)
    rate = statistics.median(one.ratios_to(local))
    return [one.name, number(one.median_of_rates()), f"{rate:.2f}", f"{cpu:.2f}"]
