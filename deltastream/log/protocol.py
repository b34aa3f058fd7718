"""Owns the gate: which tables are refused by name because of a feature that they use."""

from __future__ import annotations

from deltastream.errors import UnsupportedFeatureError
from deltastream.log.actions import Metadata, Protocol
from deltastream.types import column_mapping

__all__ = ["check_protocol"]

_MAX_READER_VERSION = 3
_TABLE_FEATURES_VERSION = 3
_READABLE_FEATURES = frozenset(
    {
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
    }
)
_COLUMN_MAPPING_MODES = ("none", "name", "id")


def check_protocol(protocol: Protocol, metadata: Metadata, *, table_uri: str) -> None:
    """Refuse a table that we would read wrong.

    Delta PROTOCOL.md, "Protocol Evolution": a reader refuses versions and reader features that it does not know.

    Raises:
        UnsupportedFeatureError: The table needs a reader version, a reader feature or a file format that we lack.
    """
    if protocol.min_reader_version > _MAX_READER_VERSION:
        raise UnsupportedFeatureError(
            f"{table_uri}: needs reader version {protocol.min_reader_version}; deltastream reads up to "
            f"{_MAX_READER_VERSION}"
        )
    if protocol.min_reader_version >= _TABLE_FEATURES_VERSION:
        lacking = sorted(set(protocol.reader_features) - _READABLE_FEATURES)
        if lacking:
            raise UnsupportedFeatureError(
                f"{table_uri}: needs the reader features {', '.join(lacking)}, which are not read"
            )
    mode = column_mapping(
        protocol.min_reader_version, protocol.reader_features, metadata.configuration
    )
    asked = metadata.configuration.get("delta.columnMapping.mode", "none").lower()
    if mode != asked and "columnMapping" in protocol.writer_features:
        raise UnsupportedFeatureError(
            f"{table_uri}: its protocol has columnMapping for writers and not for readers, so nobody can say how its "
            f"columns (delta.columnMapping.mode is {asked!r}) are found"
        )
    if mode not in _COLUMN_MAPPING_MODES:
        raise UnsupportedFeatureError(
            f"{table_uri}: delta.columnMapping.mode is {mode!r}; one of {', '.join(_COLUMN_MAPPING_MODES)} is read"
        )
    if metadata.provider != "parquet":
        raise UnsupportedFeatureError(
            f"{table_uri}: data files are {metadata.provider!r}; only parquet is read"
        )
