"""Owns how a command is told the way into a store: options of every command that reads a table."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from deltastream.errors import OptionError

if TYPE_CHECKING:
    from deltastream.storage import StorageAccess

__all__ = ["TABLE_HELP", "StorageOptions", "Transport", "storage_access"]

TABLE_HELP = "A local path or a URI: s3://bucket/table, for example."


class Transport(StrEnum):
    """The names of `StorageAccess.transport`, as an enumeration, which typer turns into a choice."""

    AUTO = "auto"
    FSSPEC = "fsspec"
    OBSTORE = "obstore"


StorageOptions: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--storage-option",
        metavar="KEY=VALUE",
        help="How to get at the store, under deltalake's or fsspec's name; may be given several times. "
        "Others on this machine see arguments: secrets are safer in the environment.",
        show_default=False,
    ),
]


def storage_access(options: Sequence[str] | None, transport: Transport) -> StorageAccess:
    """Return what the options say.

    Raises:
        OptionError: One is no ``KEY=VALUE``, or a key comes twice. No value is shown.
    """
    # Here, not above: `--help` needs none of it.
    from deltastream.storage import StorageAccess

    found: dict[str, str] = {}
    for option in options or ():
        key, equals, value = option.partition("=")
        if not equals or not key:
            # What has no key may be a secret.
            raise OptionError("--storage-option takes KEY=VALUE, and one has no key or no =")
        if key in found:
            raise OptionError(f"--storage-option {key}=... is given twice")
        found[key] = value
    return StorageAccess(storage_options=found, transport=transport.value)
