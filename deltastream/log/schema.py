"""Owns the table's schema: from Delta's JSON to Arrow."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from deltastream.errors import LogCorruptError, UnsupportedFeatureError
from deltastream.log.type_changes import DECIMAL, check_type_changes
from deltastream.types import FIELD_ID, PHYSICAL_NAME, VARIANT_PART

__all__ = ["parse_schema"]

_MAX_DECIMAL_PRECISION = 38
# As Spark writes it. It is no struct of columns: column mapping names neither of the two.
_VARIANT = pa.struct(
    [
        pa.field(name, pa.binary(), nullable=False, metadata={VARIANT_PART: b""})
        for name in ("value", "metadata")
    ]
)


def parse_schema(schema_string: str, *, column_mapping: str = "none", table_uri: str) -> pa.Schema:
    """Parse ``metaData.schemaString``: names, types and nullability, nested ones too.

    Delta PROTOCOL.md, "Schema Serialization Format". Timestamps are in microseconds, ``timestamp`` in UTC and
    ``timestamp_ntz`` without a zone; ``void`` is Arrow's null type, ``variant`` the struct that stores it.

    Args:
        column_mapping: "none", "name" or "id"; but for "none", fields get `PHYSICAL_NAME` and `FIELD_ID`.

    Raises:
        UnsupportedFeatureError: A column has a type that we lack, or one that was changed in a way that we lack.
        LogCorruptError: It is no schema, or one that lacks what the column mapping needs.
    """
    try:
        fields = json.loads(schema_string)["fields"]
        return pa.schema(_Parser(is_mapped=column_mapping != "none").fields(fields, ""))
    except UnsupportedFeatureError as error:
        raise UnsupportedFeatureError(f"{table_uri}: {error}") from None
    except LogCorruptError as error:
        raise LogCorruptError(f"{table_uri}: metaData.schemaString: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LogCorruptError(
            f"{table_uri}: metaData.schemaString is no schema: {error!r}"
        ) from error


class _Parser:
    """Parses one schema; what is told apart by column mapping is told apart in all of it."""

    def __init__(self, *, is_mapped: bool) -> None:
        self._is_mapped = is_mapped
        self._ids: set[int] = set()

    def fields(self, declared: list[dict[str, Any]], parent: str) -> list[pa.Field]:
        found = [self._field(field, f"{parent}{field['name']}") for field in declared]
        names = [field.name for field in found]
        physical = [field.metadata[PHYSICAL_NAME] for field in found] if self._is_mapped else []
        for what, each in (("names", names), ("physical names", physical)):
            if len(set(each)) < len(each):
                raise LogCorruptError(f"two columns beside each other have the same {what}: {each}")
        return found

    def _field(self, declared: dict[str, Any], column: str) -> pa.Field:
        metadata = declared.get("metadata") or {}
        check_type_changes(metadata.get("delta.typeChanges"), column=column)
        return pa.field(
            declared["name"],
            self._type(declared["type"], column),
            bool(declared.get("nullable", True)),
            self._mapping(metadata, column) if self._is_mapped else None,
        )

    def _mapping(self, metadata: dict[str, Any], column: str) -> dict[bytes, bytes]:
        name, number = (metadata.get(key.decode()) for key in (PHYSICAL_NAME, FIELD_ID))
        if not isinstance(name, str) or not isinstance(number, int) or isinstance(number, bool):
            raise LogCorruptError(
                f"column {column!r} has {PHYSICAL_NAME.decode()}={name!r} and {FIELD_ID.decode()}={number!r}; column "
                "mapping needs a string and an integer"
            )
        if number in self._ids:
            raise LogCorruptError(f"column {column!r} has the id {number}, as another one does")
        self._ids.add(number)
        return {PHYSICAL_NAME: name.encode(), FIELD_ID: str(number).encode()}

    def _type(self, declared: Any, column: str) -> pa.DataType:
        if isinstance(declared, str):
            return _primitive(declared, column)
        kind = declared["type"]
        if kind == "struct":
            return pa.struct(self.fields(declared["fields"], f"{column}."))
        if kind == "array":
            element = self._type(declared["elementType"], f"{column}.element")
            return pa.list_(pa.field("element", element, bool(declared.get("containsNull", True))))
        if kind == "map":
            key = self._type(declared["keyType"], f"{column}.key")
            value = self._type(declared["valueType"], f"{column}.value")
            is_nullable = bool(declared.get("valueContainsNull", True))
            return pa.map_(key, pa.field("value", value, is_nullable))
        # A type without parameters, spelled as an object: PROTOCOL.md's own example has a variant so.
        if kind == "variant":
            return _VARIANT
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
        case "variant":
            return _VARIANT
        case "void" | "null":
            return pa.null()
    if match := DECIMAL.fullmatch(name):
        # Spark's DecimalType.USER_DEFAULT, which a bare "decimal" names.
        precision, scale = int(match[1] or 10), int(match[2] or 0)
        if 1 <= precision <= _MAX_DECIMAL_PRECISION and scale <= precision:
            return pa.decimal128(precision, scale)
    raise _unknown(column, name)


def _unknown(column: str, name: object) -> UnsupportedFeatureError:
    return UnsupportedFeatureError(
        f"column {column!r} has the type {_name(name)}, which is not read"
    )


def _name(declared: object) -> str:
    return str(declared.get("type")) if isinstance(declared, dict) else str(declared)
