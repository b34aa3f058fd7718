"""Owns ``deltastream locate``: which rows of which files a batch of a training has, from the state that was saved."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltastream.cli.access import StorageOptions, Transport, storage_access
from deltastream.cli.text import count, plain, split_names
from deltastream.errors import OptionError
from deltastream.options import DEFAULT_SHUFFLE_NBYTES, DEFAULT_SHUFFLE_ROWS

if TYPE_CHECKING:
    from deltastream.dataset import Provenance

__all__ = ["locate"]

FORMAT = 1
"""Of the JSON document: raised when a key goes or changes its meaning; a new key does not raise it."""


def locate(
    state: Annotated[str, typer.Argument(help="A file with the state as JSON; - is stdin.")],
    table: Annotated[
        str | None, typer.Option(help="Where the table is now, a path or a URI; else where it was.")
    ] = None,
    microbatch: Annotated[
        int | None,
        typer.Option(min=0, help="Number of the batch in its epoch; by default the state's next."),
    ] = None,
    epoch: Annotated[int | None, typer.Option(min=0, help="By default the state's.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Names with commas; by default the state's, if it has them all."),
    ] = None,
    filter: Annotated[
        str | None, typer.Option(help="The filter that was trained with: SQL as after WHERE.")
    ] = None,
    partition_filter: Annotated[
        str | None,
        typer.Option(help="The partition_filter that was trained with, as the state shows it."),
    ] = None,
    pad: Annotated[
        bool | None,
        typer.Option(
            "--pad/--no-pad",
            help="Whether a short last batch was padded; by default as the state says, which for several ranks "
            "and their default it does not.",
        ),
    ] = None,
    storage_option: StorageOptions = None,
    transport: Annotated[
        Transport, typer.Option(help="The client that reads the store.")
    ] = Transport.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show where the rows of a batch come from: file, row group and rows, without reading them.

    Reads the log and footers; of files with deletion vectors or under a filter also what says which rows live. Exits
    with 0, 1 if the table cannot be read, 2 if the arguments cannot be or do not fit the state.
    """
    # Here, not above: `--help` and the other commands need no torch.
    from deltastream.dataset import DeltaDataset
    from deltastream.dataset.state import LoaderState

    values = _read(state)
    found = LoaderState.from_dict(values)
    if found.num_workers is not None:
        raise OptionError("this is the state of one worker; give that of a loader")
    names = split_names(found.columns if columns is None else columns)
    access = storage_access(storage_option, transport)
    dataset = DeltaDataset(
        table or found.table_uri,
        version=found.version,
        columns=[name for name in names if name] or None,
        filter=filter,
        partition_filter=None if partition_filter is None else _literal(partition_filter),
        batch_size=found.batch_size,
        shuffle=found.shuffle,
        seed=found.seed or 0,
        drop_last=found.drop_last,
        lanes=found.lanes,
        pad=pad,
        row_dicts=True,
        rank=0,
        num_ranks=1,
        shuffle_rows=found.shuffle_rows or DEFAULT_SHUFFLE_ROWS,
        shuffle_nbytes=found.shuffle_nbytes or DEFAULT_SHUFFLE_NBYTES,
        storage_options=access.storage_options,
        transport=access.transport,
    )
    dataset.load_state_dict(values)
    provenance = dataset.locate(microbatch, epoch=epoch)
    if as_json:
        print(json.dumps(_document(provenance), indent=2))
    else:
        _print(provenance)


def _read(path: str) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
        found = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(f"{path} is no state of a loader: {error}") from error
    if not isinstance(found, Mapping):
        raise OptionError(f"{path} is no state of a loader: it is no JSON object")
    return found


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError) as error:
        raise OptionError(
            "--partition-filter takes a list of tuples as in Python: [('day', '=', '2026-01-01')], "
            f"got {text!r}"
        ) from error


def _parts(provenance: Provenance) -> dict[tuple[int, int], list[int]]:
    """Return the rows of each row group of each file, both in the order of their first row in the batch."""
    parts: dict[tuple[int, int], list[int]] = {}
    for file, group, row in _rows(provenance):
        parts.setdefault((file, group), []).append(row)
    return {place: sorted(rows) for place, rows in parts.items()}


def _rows(provenance: Provenance) -> list[tuple[int, int, int]]:
    columns = (provenance.file, provenance.row_group, provenance.row)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _document(provenance: Provenance) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "table_uri": provenance.table_uri,
        "version": provenance.version,
        "epoch": provenance.epoch,
        "microbatch": provenance.microbatch,
        "num_rows": len(provenance),
        "files": list(provenance.files),
        "parts": [
            {"file": provenance.files[file], "row_group": group, "rows": rows}
            for (file, group), rows in _parts(provenance).items()
        ],
        "order": [list(row) for row in _rows(provenance)],
    }


def _print(provenance: Provenance) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"microbatch {provenance.microbatch} of epoch {provenance.epoch}: "
        f"{count(len(provenance), 'row')} of {plain(provenance.table_uri)}, version {provenance.version}",
        title_justify="left",
    )
    table.add_column("file", overflow="fold")
    table.add_column("row group", justify="right")
    table.add_column("rows, counted in the row group", overflow="fold")
    for (file, group), rows in _parts(provenance).items():
        table.add_row(plain(provenance.files[file]), str(group), _ranges(rows))
    console = Console(file=sys.stdout)
    # Into a pipe or a file rich would fold the table at 80 columns.
    console.width = console.width if console.is_terminal else 140
    console.print(table, markup=False)


def _ranges(rows: list[int]) -> str:
    """Return ascending numbers as ``0-3, 7``."""
    found: list[list[int]] = []
    for row in rows:
        if found and row == found[-1][1] + 1:
            found[-1][1] = row
        else:
            found.append([row, row])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
