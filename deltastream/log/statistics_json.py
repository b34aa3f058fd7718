"""Owns the reading of the JSON of ``stats`` into the shape that ``stats_parsed`` has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.log.bounds import cast_or_null
from deltastream.log.json_lines import read_objects
from deltastream.log.leaves import Leaf

__all__ = ["KINDS", "TIGHT", "parse_statistics"]

KINDS = ("minValues", "maxValues", "nullCount")
TIGHT = "tightBounds"

# What writers put for these, as strings.
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
# More digits than these wrap around in Arrow's decimals, without an error.
_MAX_DIGITS = 38
_LONG_NUMBER = r"[0-9][0-9.]{38}"
_Path = tuple[str, ...]


def parse_statistics(texts: pa.Array, leaves: Sequence[Leaf]) -> pa.StructArray:
    """Return the members of ``stats`` that `leaves` ask for, null where absent or malformed.

    Numbers are read as the column's type, exactly; strings, dates and timestamps stay strings.
    """
    objects = texts.fill_null("{}")
    types: dict[_Path, pa.DataType] = {(TIGHT,): pa.bool_()}
    for leaf in leaves:
        if leaf.names:
            for kind in KINDS[:2] if leaf.has_bounds else ():
                types[kind, *leaf.names] = _type_in_json(leaf.type)
            if not pa.types.is_struct(leaf.type):
                types[KINDS[2], *leaf.names] = pa.int64()
    schema = pa.schema(_fields(types))
    has_decimals = any(pa.types.is_decimal(type_) for type_ in types.values())
    is_safe = not (has_decimals and pc.any(pc.match_substring_regex(objects, _LONG_NUMBER)).as_py())
    table = read_objects(objects, schema) if is_safe else None
    if table is None:
        return _parse_by_row(objects, types, schema)
    return pa.concat_arrays(table.to_struct_array().chunks)


def _type_in_json(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(type_):
        return pa.int64()
    return pa.string() if pa.types.is_temporal(type_) else type_


def _fields(types: Mapping[_Path, pa.DataType]) -> list[pa.Field]:
    """Return the nested fields whose paths `types` has."""
    below: dict[str, dict[_Path, pa.DataType]] = {}
    for (name, *rest), type_ in types.items():
        below.setdefault(name, {})[tuple(rest)] = type_
    return [
        pa.field(name, nested[()] if () in nested else pa.struct(_fields(nested)))
        for name, nested in below.items()
    ]


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _parse_by_row(
    texts: pa.Array, types: Mapping[_Path, pa.DataType], schema: pa.Schema
) -> pa.StructArray:
    rows = [_load(text) for text in texts.to_pylist()]
    columns = {path: _column(rows, path, type_) for path, type_ in types.items()}

    def assemble(fields: Sequence[pa.Field], parent: _Path) -> pa.StructArray:
        children = []
        for field in fields:
            path = (*parent, field.name)
            children.append(columns[path] if path in columns else assemble(list(field.type), path))
        return pa.StructArray.from_arrays(children, fields=list(fields))

    return assemble(list(schema), ())


def _load(text: str) -> object:
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return None


def _column(rows: Sequence[object], path: _Path, type_: pa.DataType) -> pa.Array:
    values = [_scalar(_at(row, path), type_) for row in rows]
    if pa.types.is_boolean(type_):
        return pa.array(values, type_)
    return cast_or_null(pa.array(values, pa.string()), type_)


def _at(row: object, path: _Path) -> object:
    for name in path:
        if not isinstance(row, dict):
            return None
        row = row.get(name)
    return row


def _scalar(value: object, type_: pa.DataType) -> Any:
    """Return what the column can be made of: its text, or a boolean; None where the value is of another kind."""
    if pa.types.is_boolean(type_):
        return value if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    is_number = isinstance(value, _Number)
    if pa.types.is_string(type_):
        return None if is_number or not _is_utf8(value) else value
    # A decimal may be a string: so its digits are safe from readers that know doubles alone.
    is_numeric = is_number or value in _NO_NUMBERS or pa.types.is_decimal(type_)
    is_short = sum(map(str.isdigit, value.lstrip("-0."))) <= _MAX_DIGITS
    return str(value) if is_numeric and is_short and value.isascii() else None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
