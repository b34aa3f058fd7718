"""Owns the actions that replay keeps: protocol, metadata, and adds as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from deltastream.errors import LogCorruptError
from deltastream.types import DELETION_VECTOR

__all__ = ["ADDS", "Metadata", "Protocol", "parse_metadata", "parse_protocol"]

ADDS = pa.schema(
    [
        ("path", pa.string()),
        ("nbytes", pa.int64()),
        ("modified_ms", pa.int64()),
        ("num_records", pa.int64()),
        ("deletion_vector", DELETION_VECTOR),
        ("stats", pa.string()),
        ("partition_values", pa.map_(pa.string(), pa.string())),
    ]
)


@dataclass(frozen=True, slots=True)
class Protocol:
    """The ``protocol`` action, as far as readers go."""

    min_reader_version: int
    reader_features: tuple[str, ...]
    writer_features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metadata:
    """The ``metaData`` action."""

    table_id: str
    provider: str
    schema_string: str
    partition_columns: tuple[str, ...]
    configuration: Mapping[str, str]


def parse_protocol(action: Any, *, source: str) -> Protocol:
    """Check and keep a ``protocol`` action; LogCorruptError, naming `source`, where it cannot be."""
    fields = _fields(action, "protocol", source)
    version = fields.get("minReaderVersion")
    if not isinstance(version, int):
        raise _unlike(source, "protocol.minReaderVersion", "an integer", version)
    readers, writers = (
        _strings(fields.get(name), f"protocol.{name}", source)
        for name in ("readerFeatures", "writerFeatures")
    )
    return Protocol(version, readers, writers)


def parse_metadata(action: Any, *, source: str) -> Metadata:
    """Check and keep a ``metaData`` action; LogCorruptError, naming `source`, where it cannot be."""
    fields = _fields(action, "metaData", source)
    table_id, schema = fields.get("id"), fields.get("schemaString")
    if not isinstance(table_id, str):
        raise _unlike(source, "metaData.id", "a string", table_id)
    if not isinstance(schema, str):
        raise _unlike(source, "metaData.schemaString", "a string", schema)
    file_format = fields.get("format") or {}
    if not isinstance(file_format, Mapping):
        raise _unlike(source, "metaData.format", "an object", file_format)
    return Metadata(
        table_id,
        str(file_format.get("provider") or "parquet"),
        schema,
        _strings(fields.get("partitionColumns"), "metaData.partitionColumns", source),
        _string_map(fields.get("configuration"), "metaData.configuration", source),
    )


def _fields(action: Any, name: str, source: str) -> Mapping[str, Any]:
    if not isinstance(action, Mapping):
        raise _unlike(source, name, "an object", action)
    return action


def _strings(value: Any, name: str, source: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise _unlike(source, name, "a list of strings", value)
    return tuple(value)


def _string_map(value: Any, name: str, source: str) -> dict[str, str]:
    if value is None:
        return {}
    # A map read from Parquet is a list of pairs.
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise _unlike(source, name, "an object", value)
    return {str(key): "" if text is None else str(text) for key, text in pairs}


def _unlike(source: str, name: str, expected: str, found: object) -> LogCorruptError:
    return LogCorruptError(f"{source}: {name} is to be {expected}, found {str(found)[:80]!r}")
