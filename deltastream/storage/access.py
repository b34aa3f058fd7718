"""Owns how a user gets at a store: what he said besides the table's URI, unread."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from deltastream.errors import OptionError
from deltastream.options import DEFAULT_CACHE_NBYTES, whole_number
from deltastream.storage.store import CredentialsCallback

__all__ = ["StorageAccess", "TransportName"]

TransportName: TypeAlias = Literal["auto", "fsspec", "obstore"]


@dataclass(frozen=True, slots=True)
class StorageAccess:
    """Options, credentials, client and cache for a table's store. Pickles, with its secrets; no repr shows them."""

    storage_options: Mapping[str, Any] | None = field(default=None, repr=False)
    """In the words of delta-rs, of fsspec, or both."""
    credentials: CredentialsCallback | None = field(default=None, repr=False)
    transport: TransportName = "auto"
    cache_dir: str | os.PathLike[str] | None = None
    """Where bytes of data files are kept for later epochs; None: nowhere."""
    cache_nbytes: int = DEFAULT_CACHE_NBYTES
    """Bytes that `cache_dir` may take, by all that share it."""

    def __post_init__(self) -> None:
        names = get_args(TransportName)
        if self.transport not in names:
            raise OptionError(
                f"transport must be one of {', '.join(names)}, got {self.transport!r}"
            )
        if self.storage_options is not None and not isinstance(self.storage_options, Mapping):
            raise OptionError(
                f"storage_options takes a mapping, got a {type(self.storage_options).__name__}"
            )
        if self.credentials is not None and not callable(self.credentials):
            raise OptionError("credentials must be a callable that returns deltastream.Credentials")
        object.__setattr__(self, "cache_nbytes", whole_number("cache_nbytes", self.cache_nbytes))

    def __getstate__(self) -> list[Any]:
        """Return the values, which a frozen class with slots is made of again."""
        try:
            pickle.dumps(self.credentials)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise OptionError(
                "credentials= has to pickle for workers that are spawned: a function of a module, say, and no lambda; "
                f"or give the DataLoader multiprocessing_context='fork' ({error})"
            ) from error
        return [getattr(self, one.name) for one in fields(self)]
