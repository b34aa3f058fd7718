"""Owns ``deltastream inspect``: what a table is made of, and whether deltalake sees the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from deltastream.cli.access import TABLE_HELP, StorageOptions, Transport, storage_access

if TYPE_CHECKING:
    from deltastream.cli.inspection.model import Inspection, Verification

__all__ = ["inspect"]


def inspect(
    table: Annotated[str, typer.Argument(help=TABLE_HELP)],
    version: Annotated[
        int | None, typer.Option(min=0, help="The version; by default the latest.")
    ] = None,
    timestamp: Annotated[
        str | None,
        typer.Option(help="The last version at or before this ISO 8601 time, UTC without a zone."),
    ] = None,
    footers: Annotated[
        bool | None,
        typer.Option(
            "--footers/--no-footers",
            help="Read the footers of all data files, or of none, for the row groups. "
            "By default of 64, spread over the table.",
            show_default=False,
        ),
    ] = None,
    column_statistics: Annotated[
        bool | None,
        typer.Option(
            "--column-statistics/--no-column-statistics",
            help="Tell in how many files the log has bounds and null counts of each column. "
            "By default of tables of up to 10,000 files.",
            show_default=False,
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the version with what deltalake reads.")
    ] = False,
    storage_option: StorageOptions = None,
    transport: Annotated[
        Transport, typer.Option(help="The client that reads the store.")
    ] = Transport.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show a version of a Delta table: schema, features, files, rows, partitions, statistics.

    Reads the log, and of the data files footers at most. Exits with 0; 1 if the table cannot be read or --verify
    finds a difference; 3 if --verify cannot compare; 2 if the arguments cannot be.
    """
    # Here, not above: `--help` and the other commands need none of it.
    from deltastream.cli.inspection.measure import measure
    from deltastream.cli.inspection.read import read_table

    access = storage_access(storage_option, transport)
    snapshot, read = read_table(
        table,
        access,
        version=version,
        timestamp=timestamp,
        footers=footers,
        column_statistics=column_statistics,
    )
    inspection = measure(snapshot, read)
    verification = None
    if verify:
        from deltastream.cli.inspection.verify import verify_snapshot

        verification = verify_snapshot(snapshot, access)
    _print(inspection, verification, as_json=as_json)
    if verification is not None:
        raise typer.Exit(verification.exit_code)


def _print(inspection: Inspection, verification: Verification | None, *, as_json: bool) -> None:
    if as_json:
        from deltastream.cli.inspection.document import write_document

        print(write_document(inspection, verification))
    else:
        from deltastream.cli.inspection.render import render

        render(inspection, verification, sys.stdout)
