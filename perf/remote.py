"""Owns reading from S3 over a slow link: rate and CPU of a byte, against a bare client and against other loaders.

SeaweedFS serves the table, the proxy of the tests makes the link. Rounds are interleaved; each is a fresh process.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from perf.job import Job, Options
from perf.report import Report, mebibytes, number
from perf.shapes import Shape
from perf.watch import ChildError, watch
from tests.support.faults.proxy import FaultProxy, run_proxy
from tests.support.faults.settings import Latency, Settings
from tests.support.servers.seaweedfs import serve_s3

__all__ = ["Link", "run"]

_AT_ONCE = (8, 16, 32)
_HEAD = (
    "",
    "rows/s",
    "of the bare client",
    "CPU s/GB",
    "of bare client and decode",
    "first batch",
    "bytes over wanted",
    "peak over imports",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """The way between store and reader."""

    latency_s: float
    """To the first byte."""
    is_lognormal: bool
    """`latency_s` is the median, ten times as much the 99th percentile; else every answer takes so long."""
    nbytes_s: float | None
    """Of all connections together; None: as fast as it goes."""

    def settings(self) -> Settings:
        latency = Latency.fixed(self.latency_s)
        if self.is_lognormal:
            latency = Latency("lognormal", self.latency_s, 10 * self.latency_s)
        return Settings(latency=latency, total_nbytes_s=self.nbytes_s)

    def __str__(self) -> str:
        kind = f"{1e3 * self.latency_s:g}"
        if self.is_lognormal:
            kind = f"lognormal {kind}/{1e4 * self.latency_s:g}"
        rate = "uncapped" if self.nbytes_s is None else f"{self.nbytes_s * 8e-9:g} Gbit/s"
        return f"{kind} ms, {rate}"


@dataclasses.dataclass(slots=True)
class Entry:
    """One contestant and its rounds."""

    name: str
    transport: str
    kind: str
    """"ours", "bare", "decoded" or "peer"."""
    job: Job
    python: str
    rows_per_s: list[float] = dataclasses.field(default_factory=list)
    cpu_s_per_gb: list[float] = dataclasses.field(default_factory=list)
    first_batch_s: list[float] = dataclasses.field(default_factory=list)
    sent_ratio: list[float] = dataclasses.field(default_factory=list)
    peak_nbytes: list[int] = dataclasses.field(default_factory=list)
    failure: str = ""

    def measure(self, proxy: FaultProxy, wanted_nbytes: int) -> None:
        """One round: a warm-up pass, and those that are timed."""
        before = proxy.statistics().sent_nbytes
        try:
            ready, opened, *epochs = watch([self.python, "-m", "perf.child", self.job.to_json()])
        except ChildError as error:
            self.failure = str(error)
            return
        timed = epochs[1:] or epochs
        num_rows = sum(event.values["num_rows"] for event in timed)
        self.rows_per_s.append(num_rows / sum(event.values["elapsed_s"] for event in timed))
        cpu_s = sum(event.values["cpu_s"] for event in timed)
        self.cpu_s_per_gb.append(cpu_s / (len(timed) * wanted_nbytes * 1e-9))
        self.first_batch_s.append(opened.values["open_s"] + epochs[0].values["first_batch_s"])
        sent = proxy.statistics().sent_nbytes - before
        self.sent_ratio.append(sent / (len(epochs) * wanted_nbytes))
        peak = max(event.peak_nbytes for event in (opened, *epochs))
        self.peak_nbytes.append(peak - ready.resident_nbytes)


def run(
    shape: Shape,
    table: Path,
    link: Link,
    *,
    columns: Sequence[str],
    transports: Sequence[str],
    peers_python: str | None,
    repeats: int,
    num_epochs: int,
    extra: Options,
) -> Report:
    """Read `columns` of `table` through `link`, as everybody does it."""
    wanted_nbytes = column_nbytes(table, columns)
    with (
        TemporaryDirectory() as folder,
        serve_s3(Path(folder, "s3")) as store,
        run_proxy(store.port, Path(folder, "proxy")) as proxy,
    ):
        uri = store.upload(table, table.name)
        proxy.set(link.settings())
        job = Job(
            "deltastream",
            uri,
            tuple(columns),
            shape.id_column,
            shape.batch_size,
            {"storage_options": dict(store.via(proxy.port).storage_options)},
            num_epochs=num_epochs,
        )
        entries = [
            *_ours_and_bare(
                job, table, transports, extra, whole=len(columns) == len(shape.columns)
            ),
            *_peers(job, peers_python),
        ]
        for _ in range(repeats):
            for entry in entries:
                if not entry.failure:
                    entry.measure(proxy, wanted_nbytes)
    rows = [_row(entry, entries) for entry in entries]
    figures = [
        {k: v for k, v in dataclasses.asdict(entry).items() if k not in ("job", "python")}
        for entry in entries
    ]
    return Report(f"{shape.name}, {len(columns)} columns from S3: {link}", _HEAD, rows, figures)


def column_nbytes(table: Path, columns: Sequence[str]) -> int:
    """Bytes of the column chunks of `columns` in all files of a local table."""
    import pyarrow.parquet as pq

    total = 0
    for path in table.glob("*.parquet"):
        metadata = pq.read_metadata(path)
        for i in range(metadata.num_row_groups):
            group = metadata.row_group(i)
            chunks = [group.column(k) for k in range(group.num_columns)]
            total += sum(
                chunk.total_compressed_size
                for chunk in chunks
                if chunk.path_in_schema.split(".")[0] in columns
            )
    return total


def _ours_and_bare(
    job: Job, table: Path, transports: Sequence[str], extra: Options, *, whole: bool
) -> Iterator[Entry]:
    for transport in transports:
        options = {**job.options, "transport": transport}
        for shuffle in (False, True):
            ours = dataclasses.replace(job, options={**options, **extra, "shuffle": shuffle})
            name = f"deltastream, {transport}{', shuffled' if shuffle else ''}"
            yield Entry(name, transport, "ours", ours, sys.executable)
        # It fetches whole row groups.
        for decodes in (False, True) if whole else ():
            for at_once in _AT_ONCE if not decodes else _AT_ONCE[:1]:
                bare = {**options, "at_once": at_once, "decodes": decodes, "local": str(table)}
                name = (
                    f"bare client, {transport}, {at_once} at once{', decoded' if decodes else ''}"
                )
                kind = "decoded" if decodes else "bare"
                made = dataclasses.replace(job, contestant="bare_client", options=bare)
                yield Entry(name, transport, kind, made, sys.executable)


def _peers(job: Job, python: str | None) -> Iterator[Entry]:
    if python is None:
        return
    # deltatorch, a row at a time, takes minutes for a pass: below it is the pyarrow dataset that stands here.
    for name, module in (
        ("pyarrow dataset of deltalake's", "arrow_loop"),
        ("Daft", "daft_loop"),
        ("Hugging Face datasets", "hf_loop"),
        ("Ray Data", "ray_loop"),
    ):
        yield Entry(name, "", "peer", dataclasses.replace(job, contestant=module), python)


def _row(entry: Entry, entries: Sequence[Entry]) -> list[str]:
    if entry.failure:
        return [entry.name, "failed", *[""] * (len(_HEAD) - 2)]
    return [
        entry.name,
        number(statistics.median(entry.rows_per_s)),
        _ratio(entry, entries, "bare", "rows_per_s"),
        f"{statistics.median(entry.cpu_s_per_gb):.2f}",
        _ratio(entry, entries, "decoded", "cpu_s_per_gb"),
        f"{1e3 * statistics.median(entry.first_batch_s):,.0f} ms",
        f"{statistics.median(entry.sent_ratio):.3f}",
        mebibytes(max(entry.peak_nbytes)),
    ]


def _ratio(entry: Entry, entries: Sequence[Entry], kind: str, figure: str) -> str:
    """Median over rounds of the entry's figure by that of the best of `kind` with the same client, or with any."""
    others = [
        one
        for one in entries
        if one.kind == kind and entry.transport in ("", one.transport) and not one.failure
    ]
    if not others:
        return ""
    best = max(others, key=lambda one: statistics.median(one.rows_per_s))
    pairs = zip(getattr(entry, figure), getattr(best, figure), strict=False)
    return f"{statistics.median(a / b for a, b in pairs):.2f}"
