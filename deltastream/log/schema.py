"""Owns the table's schema: from Delta's JSON to Arrow."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from deltastream.errors import LogCorruptError, UnsupportedFeatureError

__all__ = ["parse_schema"]

_DECIMAL = re.compile(r"decimal(?:\(\s*(\d+)\s*,\s*(-?\d+)\s*\))?")
_MAX_DECIMAL_PRECISION = 38


def parse_schema(schema_string: str, *, table_uri: str) -> pa.Schema:
    """Parse ``metaData.schemaString``: names, types and nullability, nested ones too.

    Delta PROTOCOL.md, "Schema Serialization Format". Timestamps are in microseconds, ``timestamp`` in UTC and
    ``timestamp_ntz`` without a zone; ``void`` is Arrow's null type.

    Raises:
        UnsupportedFeatureError: A column has a type that we lack, or one that was widened.
        LogCorruptError: It is no schema.
    """
    try:
        fields = json.loads(schema_string)["fields"]
        return pa.schema([_field(field, field["name"]) for field in fields])
    except UnsupportedFeatureError as error:
        raise UnsupportedFeatureError(f"{table_uri}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LogCorruptError(
            f"{table_uri}: metaData.schemaString is no schema: {error!r}"
        ) from error


def _field(field: dict[str, Any], column: str) -> pa.Field:
    changes = (field.get("metadata") or {}).get("delta.typeChanges")
    if changes:
        raise UnsupportedFeatureError(
            f"column {column!r} was widened to {_name(field['type'])} (reader feature typeWidening): "
            "files of the old type are not read yet"
        )
    return pa.field(field["name"], _type(field["type"], column), bool(field.get("nullable", True)))


def _type(declared: Any, column: str) -> pa.DataType:
    if isinstance(declared, str):
        return _primitive(declared, column)
    kind = declared["type"]
    if kind == "struct":
        return pa.struct(
            [_field(field, f"{column}.{field['name']}") for field in declared["fields"]]
        )
    if kind == "array":
        element = _type(declared["elementType"], f"{column}.element")
        return pa.list_(pa.field("element", element, bool(declared.get("containsNull", True))))
    if kind == "map":
        key = _type(declared["keyType"], f"{column}.key")
        value = _type(declared["valueType"], f"{column}.value")
        return pa.map_(key, pa.field("value", value, bool(declared.get("valueContainsNull", True))))
    raise _unknown(column, kind)


def _primitive(name: str, column: str) -> pa.DataType:
    match name:
        case "byte":
            return pa.int8()
        case "short":
            return pa.int16()
        case "integer":
            return pa.int32()
        case "long":
            return pa.int64()
        case "float":
            return pa.float32()
        case "double":
            return pa.float64()
        case "boolean":
            return pa.bool_()
        case "string":
            return pa.string()
        case "binary":
            return pa.binary()
        case "date":
            return pa.date32()
        case "timestamp":
            return pa.timestamp("us", "UTC")
        case "timestamp_ntz":
            return pa.timestamp("us")
        case "void" | "null":
            return pa.null()
    if match := _DECIMAL.fullmatch(name):
        # Spark's DecimalType.USER_DEFAULT, which a bare "decimal" names.
        precision, scale = int(match[1] or 10), int(match[2] or 0)
        if 1 <= precision <= _MAX_DECIMAL_PRECISION:
            return pa.decimal128(precision, scale)
    raise _unknown(column, name)


def _unknown(column: str, name: object) -> UnsupportedFeatureError:
    return UnsupportedFeatureError(
        f"column {column!r} has the type {_name(name)}, which is not read"
    )


def _name(declared: object) -> str:
    return str(declared.get("type")) if isinstance(declared, dict) else str(declared)
