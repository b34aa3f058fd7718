"""Owns ``deltastream plan``: what an epoch takes on so many ranks and workers, before any data is read."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deltastream.cli.access import TABLE_HELP, StorageOptions, Transport, storage_access
from deltastream.cli.text import split_names
from deltastream.errors import OptionError
from deltastream.options import DEFAULT_MEMORY_BUDGET, MAX_LANES

__all__ = ["plan"]


def plan(
    table: Annotated[str, typer.Argument(help=TABLE_HELP)],
    world_size: Annotated[int, typer.Option(min=1, help="The number of ranks.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="DataLoader workers of each rank.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a batch, of one rank.")] = 32,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Permute the rows.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffle.")] = 0,
    lanes: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_LANES, help="Independent streams; by default chosen."),
    ] = None,
    drop_last: Annotated[
        bool, typer.Option("--drop-last", help="Leave out the last batch if it is short.")
    ] = False,
    pad: Annotated[
        bool | None,
        typer.Option(
            "--pad/--no-pad",
            help="Make all ranks take equal steps. By default where there are several.",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Names with commas; by default all columns.")
    ] = None,
    filter: Annotated[str | None, typer.Option(help="Which rows: SQL as after WHERE.")] = None,
    memory_budget: Annotated[
        int, typer.Option(min=1, help="Bytes that a rank may hold.")
    ] = DEFAULT_MEMORY_BUDGET,
    version: Annotated[
        int | None, typer.Option(min=0, help="The version; by default the latest.")
    ] = None,
    timestamp: Annotated[
        str | None,
        typer.Option(help="The last version at or before this ISO 8601 time, UTC without a zone."),
    ] = None,
    run_hours: Annotated[
        float,
        typer.Option(min=0, max=1e6, help="How long the run lasts, to compare with VACUUM."),
    ] = 24.0,
    storage_option: StorageOptions = None,
    transport: Annotated[
        Transport, typer.Option(help="The client that reads the store.")
    ] = Transport.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what an epoch takes: steps, rows, bytes and requests of a rank, padding, memory, lanes, and warnings.

    Reads the log, and of the data at most 64 footers. Exits with 0, 1 if the table cannot be read, 2 if the
    arguments cannot be.
    """
    # Here, not above: `--help` and the other commands need none of it.
    from deltastream.cli.planning.measure import measure_plan
    from deltastream.cli.planning.model import Asked
    from deltastream.cli.planning.read import read_facts

    names = None if columns is None else tuple(split_names(columns))
    if names is not None and not all(names):
        raise OptionError(f"--columns takes names with commas between, got {columns!r}")
    asked = Asked(
        world_size=world_size,
        workers=workers,
        batch_size=batch_size,
        shuffle=shuffle,
        drop_last=drop_last,
        pad=world_size > 1 if pad is None else pad,
        lanes=lanes,
        seed=seed,
        columns=names,
        filter=filter,
        memory_budget=memory_budget,
        run_hours=run_hours,
    )
    facts = read_facts(
        table,
        storage_access(storage_option, transport),
        version=version,
        timestamp=timestamp,
        columns=names,
        filter=filter,
    )
    found = measure_plan(facts, asked)
    if as_json:
        from deltastream.cli.planning.document import write_plan

        print(write_plan(found))
    else:
        from deltastream.cli.planning.render import render_plan

        render_plan(found, sys.stdout)
