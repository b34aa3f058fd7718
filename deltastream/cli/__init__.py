"""The command line: the only place that prints. One file a command; what a command shows is a folder beside it."""

from deltastream.cli.app import main

__all__ = ["main"]
