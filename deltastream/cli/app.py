"""Owns the app: its commands, and what becomes of their errors."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deltastream.cli.inspect import inspect
from deltastream.cli.locate import locate
from deltastream.cli.plan import plan
from deltastream.errors import DeltaStreamError, OptionError

__all__ = ["app", "main"]

_FAILED = 1
_USAGE = 2

# Without markup the help needs no rich, whose import would double its time.
app = typer.Typer(
    name="deltastream",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    # With the values of variables a traceback would show secrets.
    pretty_exceptions_enable=False,
)
app.command()(inspect)
app.command()(plan)
app.command()(locate)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("deltastream"))
        raise typer.Exit


@app.callback()
def _deltastream(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Delta Lake tables, streamed into PyTorch training."""


def main() -> None:
    """Run the command that ``sys.argv`` asks for, and exit.

    Exits with 0, 1 after an error that is a line on stderr, 2 where the arguments cannot be, and what the command
    says otherwise. An error that nobody foresaw keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        # Names and paths of a table may have characters that the terminal's encoding lacks. None: it is closed.
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.stdout is None:
        _fail(OSError("standard output is closed"), _FAILED)
    try:
        app()
    except OptionError as error:
        _fail(error, _USAGE)
    except (DeltaStreamError, OSError) as error:
        _fail(error, _FAILED)


def _fail(error: Exception, code: int) -> None:
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    sys.exit(code)
