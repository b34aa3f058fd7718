"""Owns the command line of the measurements: ``python -m perf --help``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from perf import cache as cache_of
from perf import deletion_vectors as deletion_vectors_of
from perf import faults as faults_of
from perf import first_batch as first_batch_of
from perf import log_scale as log_scale_of
from perf import memory as memory_of
from perf import remote as remote_of
from perf import resume as resume_of
from perf import workers as workers_of
from perf.environments import DEFAULT_CACHE, deltatorch_python, peers_python
from perf.job import Options
from perf.local import Settings, limit_report, race
from perf.shapes import SHAPES, shape_named
from perf.tables import ensure_table, facts_of

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure deltastream.")

Shapes = Annotated[str, typer.Option(help="Shapes of table, with commas.")]
Scale = Annotated[float, typer.Option(help="Size of the tables; 1 is what results are of.")]
Cache = Annotated[Path, typer.Option(help="Where tables and environments are kept.")]
Mnist = Annotated[Path | None, typer.Option(help="Folder of MNIST's IDX files; else drawn digits.")]
Name = Annotated[str, typer.Option(help="The result goes to perf/results/NAME-*.json and .md.")]
Choices = Annotated[list[str] | None, typer.Option(help="deltastream: KEY=VALUE, value in JSON.")]
Repeats = Annotated[int, typer.Option(help="Rounds, contestants interleaved.")]

ALL = ",".join(shape.name for shape in SHAPES)


@app.command()
def generate(
    shapes: Shapes = ALL, scale: Scale = 1.0, cache: Cache = DEFAULT_CACHE, mnist: Mnist = None
) -> None:
    """Write the tables that are not there yet."""
    for name in shapes.split(","):
        table = ensure_table(shape_named(name), cache / "tables", scale=scale, mnist=mnist)
        typer.echo(facts_of(shape_named(name), table))


@app.command()
def limit(
    shapes: Shapes = ALL,
    scale: Scale = 1.0,
    repeats: Repeats = 5,
    threads: int = 2,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "limit",
) -> None:
    """How fast pyarrow decodes, in every variant."""
    settings = Settings(repeats, threads, 1, 2.0, (), (), {}, None)
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        report = limit_report(shape, table, settings)
        report.show()
        report.save(f"{name}-{shape.name}")


@app.command()
def local(
    shapes: Shapes = ALL,
    batch_sizes: Annotated[str, typer.Option(help="With commas; else each shape's own.")] = "",
    repeats: Repeats = 5,
    scale: Scale = 1.0,
    threads: Annotated[int, typer.Option(help="Decoding threads of limit and loop.")] = 2,
    torch_threads: Annotated[int, typer.Option(help="torch.set_num_threads, for all.")] = 1,
    min_s: Annotated[float, typer.Option(help="Passes of a round last this long.")] = 2.0,
    only: Annotated[str, typer.Option(help="Contestants by the start of the name, with ;.")] = "",
    option: Choices = None,
    deltatorch: Annotated[bool, typer.Option(help="With deltatorch.")] = True,
    deltatorch_interpreter: Annotated[
        Path | None,
        typer.Option("--deltatorch-python", help="One that has it; else an environment is made."),
    ] = None,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "local",
) -> None:
    """Race everybody over local files."""
    interpreter = deltatorch_interpreter
    if deltatorch and interpreter is None:
        interpreter = deltatorch_python(cache)
    settings = Settings(
        repeats=repeats,
        num_threads=threads,
        torch_threads=torch_threads,
        min_s=min_s,
        batch_sizes=[int(size) for size in batch_sizes.split(",") if size],
        only=[start for start in only.split(";") if start],
        deltastream_options=_options(option),
        deltatorch_python=interpreter if deltatorch else None,
    )
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        report = race(shape, table, settings)
        report.show()
        report.save(f"{name}-{shape.name}")


@app.command()
def memory(
    shapes: Shapes = "img,tab",
    epochs: int = 10,
    budget_mib: Annotated[int, typer.Option(help="memory_budget in MiB.")] = 256,
    scale: Scale = 1.0,
    option: Choices = None,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "memory",
) -> None:
    """Peak memory per epoch, shuffled, under a budget."""
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        report = memory_of.run(
            shape, table, num_epochs=epochs, budget_nbytes=budget_mib << 20, extra=_options(option)
        )
        report.show()
        report.save(f"{name}-{shape.name}")


@app.command()
def first_batch(
    files: Annotated[str, typer.Option(help="Sizes of table in files.")] = "10,1000,10000",
    shapes: Shapes = "mnist,tab,tok,img",
    repeats: Repeats = 5,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    option: Choices = None,
    name: Name = "first-batch",
) -> None:
    """Time to the first batch against reading the log, one footer and one row group by hand."""
    tables = [
        *first_batch_of.fabricated_tables(
            [int(size) for size in files.split(",") if size], cache / "tables"
        ),
        *first_batch_of.tables_of_shapes(
            [shape_named(shape) for shape in shapes.split(",") if shape],
            cache / "tables",
            mnist=mnist,
        ),
    ]
    report = first_batch_of.run(tables, repeats, _options(option))
    report.show()
    report.save(name)


@app.command()
def deletion_vectors(
    shapes: Shapes = "tab",
    share: Annotated[float, typer.Option(help="Share of the rows that is deleted.")] = 0.02,
    repeats: Repeats = 5,
    scale: Scale = 1.0,
    min_s: Annotated[float, typer.Option(help="Passes of a round last this long.")] = 2.0,
    option: Choices = None,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "deletion-vectors",
) -> None:
    """The rate with a deletion vector on every file against that without."""
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        report = deletion_vectors_of.run(
            shape, table, share=share, repeats=repeats, min_s=min_s, extra=_options(option)
        )
        report.show()
        report.save(f"{name}-{shape.name}")


@app.command()
def workers(
    shapes: Shapes = "tab",
    repeats: Repeats = 5,
    scale: Scale = 1.0,
    min_s: Annotated[float, typer.Option(help="Passes of a round last this long.")] = 2.0,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "workers",
) -> None:
    """The way of a batch from a worker, and two ranks against one process."""
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        report = workers_of.run(shape, table, repeats=repeats, min_s=min_s)
        report.show()
        report.save(f"{name}-{shape.name}")


@app.command("cache")
def disk_cache(
    shapes: Shapes = "tab",
    repeats: Repeats = 5,
    scale: Scale = 0.25,
    min_s: Annotated[float, typer.Option(help="Passes of a round last this long.")] = 2.0,
    option: Choices = None,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "cache",
) -> None:
    """The rate from a disk cache that has every byte, against the local table and the store."""
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        report = cache_of.run(shape, table, repeats=repeats, min_s=min_s, extra=_options(option))
        report.show()
        report.save(f"{name}-{shape.name}")


@app.command()
def resume(
    files: Annotated[int, typer.Option(help="Files of the table.")] = 10_000,
    repeats: Repeats = 10,
    shuffle: bool = True,
    cache: Cache = DEFAULT_CACHE,
    name: Name = "resume",
) -> None:
    """Time to the next batch from states early, half-way and late in an epoch, against a fresh start."""
    report = resume_of.run(files, cache / "tables", repeats, shuffle)
    report.show()
    report.save(name if shuffle else f"{name}-in-order")


@app.command()
def log_scale(
    files: Annotated[str, typer.Option(help="Add actions in the checkpoint.")] = "300000,1000000",
    statistics: Annotated[str, typer.Option(help="Columns with statistics.")] = "3,34",
    one_vector_in: Annotated[
        int | None, typer.Option(help="Every so many-th file has a deletion vector.")
    ] = None,
    repeats: Repeats = 3,
    cache: Cache = DEFAULT_CACHE,
    name: Name = "log-scale",
) -> None:
    """Time and memory to open a table whose log is large."""
    report = log_scale_of.run(
        [int(size) for size in files.split(",")],
        [int(size) for size in statistics.split(",")],
        cache / "tables",
        repeats,
        one_vector_in,
    )
    report.show()
    report.save(name)


@app.command()
def faults(
    shapes: Shapes = "tab",
    shares: Annotated[str, typer.Option(help="Of requests, for each fault, with commas.")] = "0.01",
    transports: Annotated[str, typer.Option(help="With commas.")] = "fsspec,obstore",
    latency_ms: Annotated[float, typer.Option(help="To the first byte.")] = 30.0,
    epochs: Annotated[int, typer.Option(help="Passes of a round.")] = 10,
    repeats: Repeats = 3,
    scale: Scale = 0.25,
    option: Choices = None,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "faults",
) -> None:
    """The rate from S3 through every fault at once against that without."""
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        report = faults_of.run(
            shape,
            table,
            transports=transports.split(","),
            shares=[float(share) for share in shares.split(",")],
            latency_s=latency_ms / 1e3,
            num_epochs=epochs,
            repeats=repeats,
            extra=_options(option),
        )
        report.show()
        report.save(f"{name}-{shape.name}")


@app.command()
def remote(
    shapes: Shapes = "tab",
    columns: Annotated[str, typer.Option(help="With commas; else each shape's own.")] = "",
    latency_ms: Annotated[str, typer.Option(help="To the first byte, with commas.")] = "30",
    lognormal: Annotated[bool, typer.Option(help="Median, with a p99 of ten times it.")] = False,
    gbit_s: Annotated[str, typer.Option(help="Of the link, with commas; 0: no cap.")] = "1,0",
    transports: Annotated[str, typer.Option(help="With commas.")] = "fsspec,obstore",
    epochs: Annotated[int, typer.Option(help="Passes of a round; the first is a warm-up.")] = 3,
    repeats: Repeats = 3,
    scale: Scale = 0.25,
    peers: Annotated[bool, typer.Option(help="With the other loaders.")] = True,
    option: Choices = None,
    cache: Cache = DEFAULT_CACHE,
    mnist: Mnist = None,
    name: Name = "remote",
) -> None:
    """The rate from S3 over a slow link against a bare client's, and the other loaders'."""
    for shape in map(shape_named, shapes.split(",")):
        table = ensure_table(shape, cache / "tables", scale=scale, mnist=mnist)
        for latency in latency_ms.split(","):
            for rate in gbit_s.split(","):
                nbytes_s = float(rate) * 1e9 / 8 or None
                report = remote_of.run(
                    shape,
                    table,
                    remote_of.Link(float(latency) / 1e3, lognormal, nbytes_s),
                    columns=columns.split(",") if columns else shape.columns,
                    transports=transports.split(","),
                    peers_python=str(peers_python(cache)) if peers else None,
                    repeats=repeats,
                    num_epochs=epochs,
                    extra=_options(option),
                )
                report.show()
                kind = "-lognormal" if lognormal else ""
                report.save(f"{name}-{shape.name}-{latency}ms{kind}-{rate}gbit")


def _options(choices: list[str] | None) -> Options:
    pairs = [choice.partition("=") for choice in choices or []]
    return {key: json.loads(value) for key, _, value in pairs}


if __name__ == "__main__":
    app()
