"""Owns how a result is shown and kept: a table on the terminal, JSON and Markdown in ``perf/results/``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from perf.machine import describe

__all__ = ["RESULTS", "Report", "mebibytes", "number"]

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Report:
    """One table of results, and the figures behind it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: object
    """What goes into the JSON."""

    def show(self) -> None:
        """Print the table."""
        table = Table(title=self.title, title_justify="left")
        for index, name in enumerate(self.head):
            table.add_column(name, justify="left" if index == 0 else "right")
        for row in self.rows:
            table.add_row(*row)
        console = Console()
        # Into a pipe or a file rich would fold the table at 80 columns.
        console.width = console.width if console.is_terminal else 140
        console.print(table)

    def save(self, name: str) -> None:
        """Write ``perf/results/NAME.json`` and ``NAME.md``."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        machine = describe()
        content = {"title": self.title, "machine": machine, "figures": self.figures}
        (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
        (RESULTS / f"{name}.md").write_text(self.markdown(machine))

    def markdown(self, machine: dict[str, object]) -> str:
        """The table in Markdown, under its command and machine."""
        lines = [f"# {self.title}", "", f"`{machine['command']}`", ""]
        lines += [
            f"{machine['date']}, {machine['cores']} cores of {machine['processor']}, "
            f"commit {machine['commit']}.",
            "",
            "| " + " | ".join(self.head) + " |",
            "|---" + "|---:" * (len(self.head) - 1) + "|",
        ]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three significant digits at least, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def mebibytes(nbytes: float) -> str:
    """Bytes in MiB."""
    return f"{nbytes / 2**20:,.0f} MiB"
