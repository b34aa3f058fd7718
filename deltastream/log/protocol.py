"""Owns the gate: which tables are refused by name because of a feature that they use."""

from __future__ import annotations

from deltastream.errors import UnsupportedFeatureError
from deltastream.log.actions import Metadata, Protocol

__all__ = ["check_protocol"]

_MAX_READER_VERSION = 3
_TABLE_FEATURES_VERSION = 3
# Readable as long as nothing of the table uses them, which is refused where it shows: deletion vectors at the live
# files, widened columns in the schema, V2 checkpoints at the checkpoint, column mapping below.
_READABLE_FEATURES = frozenset(
    {
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
    }
)
_COLUMN_MAPPING_MODE = "delta.columnMapping.mode"


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
    # Asked of the configuration: reader version 2 lists no features.
    mode = metadata.configuration.get(_COLUMN_MAPPING_MODE, "none")
    if mode != "none":
        raise UnsupportedFeatureError(
            f"{table_uri}: uses column mapping ({_COLUMN_MAPPING_MODE}={mode}), which is not read yet"
        )
    if metadata.provider != "parquet":
        raise UnsupportedFeatureError(
            f"{table_uri}: data files are {metadata.provider!r}; only parquet is read"
        )
