"""Owns how a result is drawn: sections of aligned columns, styled only where a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deltastream.cli.text import plain

__all__ = ["Row", "Section", "print_sections"]

# Where nobody looks at it as it is printed, no line is cut or broken.
_PIPE_WIDTH = 100_000

Row = tuple[str, ...]
Section = tuple[str, Sequence[Row]]
"""A title, empty where it goes on, and rows whose cells are aligned."""


def print_sections(sections: Iterable[Section], out: TextIO) -> None:
    """Print to `out`, a terminal or not."""
    if out.isatty():
        _draw(Console(file=out, highlight=False, emoji=False), sections)
        return
    drawn = StringIO()
    _draw(Console(file=drawn, width=_PIPE_WIDTH, highlight=False, emoji=False), sections)
    out.writelines(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines())


def _draw(console: Console, sections: Iterable[Section]) -> None:
    for title, rows in sections:
        if title:
            console.print(Text(plain(title), style="bold"))
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(max(map(len, rows), default=0) + 1):
            # A name is never cut: it may be what somebody looks for.
            table.add_column(overflow="fold")
        for row in rows:
            table.add_row("", *[Text(plain(cell)) for cell in row])
        console.print(table)
