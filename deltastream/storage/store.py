"""Owns what a store is before anything is connected: where it is, and how one gets in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from deltastream.errors import OptionError

__all__ = ["Credentials", "CredentialsCallback", "Store"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Secrets, under deltalake's `storage_options` names, and when they end."""

    options: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None
    """With a time zone; None: they do not end."""

    def __post_init__(self) -> None:
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise OptionError(
                f"expires_at of Credentials needs a time zone, got {self.expires_at.isoformat()}"
            )


_PLACES = ("endpoint", "account_name")
"""How the names of options end that say which server or account a bucket belongs to."""

CredentialsCallback: TypeAlias = Callable[[], Credentials]
"""Called in a thread, before the first request and again shortly before what it gave last ends."""


@dataclass(frozen=True, slots=True)
class Store:
    """One bucket, container or server, and the options to reach it. Pickles, with its secrets; no repr shows them."""

    protocol: str
    """fsspec's name: "s3", "az", "gs", "http", "https", "memory", or another."""
    bucket: str
    """Bucket, container, or host and port; empty where the protocol has none."""
    root: str
    """Key of the table's folder, decoded, without a slash at either end."""
    uri: str
    """The table's URI for messages: as the user gave it, without user information or a query."""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What both kinds of client understand, under deltalake's canonical names in lower case."""
    fsspec_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What only fsspec's file system takes, under its names."""
    credentials: CredentialsCallback | None = field(default=None, repr=False)

    @property
    def place(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What tells it from every other: of two servers, or accounts, each may have a container of one name.

        No secret is part of it: options count only where they name an endpoint or an account.
        """
        texts = {k: v for k, v in self.fsspec_options.items() if type(v) is str}
        options = sorted(
            (name, value)
            for name, value in {**self.options, **texts}.items()
            if name.removesuffix("_url").endswith(_PLACES)
        )
        return self.protocol, self.bucket or urlsplit(self.uri).netloc, tuple(options)
