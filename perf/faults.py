"""Owns the price of faults: the rate from S3 with every fault of the proxy at some share of requests, against none."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from perf.job import Job, Options
from perf.report import Report, number
from perf.shapes import Shape
from perf.watch import watch
from tests.support.faults.proxy import run_proxy
from tests.support.faults.settings import Fault, Latency, Rule, Settings
from tests.support.servers.seaweedfs import serve_s3

__all__ = ["run"]

_STATUSES = (500, 503, 429)
_HEAD = ("", "rows/s", "of no faults", "requests that failed")


@dataclasses.dataclass(slots=True)
class Run:
    """One transport at one share of faults: rows a second of each round, all passes together."""

    transport: str
    share: float
    rates: list[float] = dataclasses.field(default_factory=list)
    num_failed: int = 0
    num_requests: int = 0


def run(
    shape: Shape,
    table: Path,
    *,
    transports: Sequence[str],
    shares: Sequence[float],
    latency_s: float,
    num_epochs: int,
    repeats: int,
    extra: Options,
) -> Report:
    """Read `table` from SeaweedFS, shuffled, `num_epochs` times a round; rounds interleaved."""
    runs = [Run(transport, share) for transport in transports for share in (0.0, *shares)]
    with (
        TemporaryDirectory() as folder,
        serve_s3(Path(folder, "s3")) as store,
        run_proxy(store.port, Path(folder, "proxy")) as proxy,
    ):
        uri = store.upload(table, table.name)
        reached = dict(store.via(proxy.port).storage_options)
        for seed in range(repeats):
            for one in runs:
                latency = Latency.fixed(latency_s)
                proxy.set(Settings(seed=seed, latency=latency, rules=_rules(one.share)))
                options = {"shuffle": True, "transport": one.transport, "storage_options": reached}
                job = Job(
                    "deltastream",
                    uri,
                    shape.columns,
                    "",
                    shape.batch_size,
                    {**options, **extra},
                    num_epochs=num_epochs,
                )
                _, _, *epochs = watch([sys.executable, "-m", "perf.child", job.to_json()])
                num_rows = sum(event.values["num_rows"] for event in epochs)
                one.rates.append(num_rows / sum(event.values["elapsed_s"] for event in epochs))
                counted = proxy.statistics()
                one.num_failed += sum(counted.faults.values())
                one.num_requests += counted.num_requests
    clean = {one.transport: one for one in runs if one.share == 0.0}
    return Report(
        f"{shape.name}: every fault at once, {1e3 * latency_s:g} ms, {num_epochs} epochs a round",
        _HEAD,
        [_row(one, clean[one.transport]) for one in runs],
        [dataclasses.asdict(one) for one in runs],
    )


def _rules(share: float) -> tuple[Rule, ...]:
    # A table of deltalake's has no page checksums: flipped bytes would go by unseen.
    kinds = [(fault, 503) for fault in Fault if fault not in (Fault.STATUS, Fault.CORRUPT)]
    kinds += [(Fault.STATUS, status) for status in _STATUSES]
    return tuple(Rule(fault, share, status=status) for fault, status in kinds) if share else ()


def _row(one: Run, clean: Run) -> list[str]:
    ratio = statistics.median(a / b for a, b in zip(one.rates, clean.rates, strict=True))
    return [
        f"{one.transport}, each fault {one.share:.0%}",
        number(statistics.median(one.rates)),
        f"{ratio:.2f}",
        f"{one.num_failed / one.num_requests:.1%}",
    ]
