"""deltastream streams Delta Lake tables into PyTorch training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deltastream.errors import (
    DeltaStreamError,
    FileCorruptError,
    FileMissingError,
    FileUnavailableError,
    LogCorruptError,
    MemoryBudgetError,
    NullValueError,
    ObjectChangedError,
    OptionError,
    ReadError,
    SchemaError,
    StorageError,
    TableError,
    TableNotFoundError,
    TransformError,
    UnsupportedFeatureError,
    VersionNotFoundError,
)
from deltastream.fields import FieldSpec

if TYPE_CHECKING:
    from deltastream.arrow import iter_arrow, read_arrow
    from deltastream.dataset import DeltaDataset
    from deltastream.loader import DeltaDataLoader, create_pytorch_dataloader
    from deltastream.storage import Credentials

__all__ = [
    "Credentials",
    "DeltaDataLoader",
    "DeltaDataset",
    "DeltaStreamError",
    "FieldSpec",
    "FileCorruptError",
    "FileMissingError",
    "FileUnavailableError",
    "LogCorruptError",
    "MemoryBudgetError",
    "NullValueError",
    "ObjectChangedError",
    "OptionError",
    "ReadError",
    "SchemaError",
    "StorageError",
    "TableError",
    "TableNotFoundError",
    "TransformError",
    "UnsupportedFeatureError",
    "VersionNotFoundError",
    "create_pytorch_dataloader",
    "iter_arrow",
    "read_arrow",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for: reading a table's log or its rows as Arrow needs none."""
    if name in ("iter_arrow", "read_arrow"):
        from deltastream import arrow

        return getattr(arrow, name)
    if name == "DeltaDataset":
        from deltastream.dataset import DeltaDataset

        return DeltaDataset
    if name in ("DeltaDataLoader", "create_pytorch_dataloader"):
        from deltastream import loader

        return getattr(loader, name)
    if name == "Credentials":
        from deltastream.storage import Credentials

        return Credentials
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
