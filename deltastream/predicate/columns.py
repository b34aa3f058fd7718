"""Owns column references: from ``a.b`` as it is written to a path into a table's schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import OptionError, SchemaError
from deltastream.predicate.expression import Column

__all__ = ["Path", "parse_column", "project_columns", "readings", "resolve_column", "take_path"]

Path = tuple[str, ...]
"""Logical names from the schema, outermost first."""

_MAX_NAMES = 40
_MAX_DOTS = 6


def parse_column(text: str) -> Column:
    """Parse a dotted reference; backquotes quote a name (a doubled one within them is a backquote).

    Raises:
        OptionError: A backquote is not closed, or a name is empty.
    """
    if "`" not in text:
        return Column(tuple(text.split(".")), strict=False)
    parts: list[str] = []
    rest = text
    while True:
        if rest.startswith("`"):
            name, rest = _quoted(rest, text)
        else:
            name, dot, after = rest.partition(".")
            rest = dot + after
        parts.append(name)
        if not rest:
            return Column(tuple(parts), strict=True)
        if not name or not rest.startswith("."):
            raise OptionError(f"column {text!r}: expected names with dots between them")
        rest = rest[1:]


def _quoted(rest: str, text: str) -> tuple[str, str]:
    end = 1
    while (end := rest.find("`", end)) >= 0:
        if not rest.startswith("``", end):
            return rest[1:end].replace("``", "`"), rest[end + 1 :]
        end += 2
    raise OptionError(f"column {text!r}: a backquote is not closed")


def readings(column: Column) -> list[Path]:
    """Return the paths that a reference may mean, before a schema is known."""
    if column.strict or len(column.parts) > _MAX_DOTS:
        return [column.parts]
    found: list[Path] = [()]
    for i, part in enumerate(column.parts):
        # A dot is a step down, or belongs to the name.
        joined = [(*path[:-1], f"{path[-1]}.{part}") for path in found] if i else []
        found = joined + [(*path, part) for path in found]
    return found


def resolve_column(schema: pa.Schema, column: Column) -> tuple[Path, pa.DataType]:
    """Return the path of a column in the schema, and its type.

    Names match exactly, or else, as in Spark, if a single one matches without regard to case. Where a reference can be
    read in several ways, the longest name wins: column "a.b" before field b of column a.

    Raises:
        SchemaError: No column matches, or several do.
    """
    for fold in (_same, str.lower):
        for found in _matches(list(schema), column.parts, column.strict, fold):
            if len(found) > 1:
                names = ", ".join(repr(".".join(path)) for path, _ in found)
                raise SchemaError(f"column {str(column)!r} is ambiguous: it may be {names}")
            return found[0]
    known = [repr(name) for name in schema.names[:_MAX_NAMES]]
    if len(schema.names) > _MAX_NAMES:
        known.append(f"and {len(schema.names) - _MAX_NAMES} more")
    raise SchemaError(
        f"no column {str(column)!r} in the table, whose columns are {', '.join(known) or 'none'}"
    )


def _same(name: str) -> str:
    return name


def _matches(
    fields: list[pa.Field], parts: Path, strict: bool, fold: Callable[[str], str]
) -> Iterator[list[tuple[Path, pa.DataType]]]:
    """Yield what each reading of `parts` finds, if anything, the reading with the longest first name first."""
    for length in range(1 if strict else len(parts), 0, -1):
        name = fold(".".join(parts[:length]))
        found: list[tuple[Path, pa.DataType]] = []
        for field in fields:
            if fold(field.name) != name:
                continue
            if length == len(parts):
                found.append(((field.name,), field.type))
            elif pa.types.is_struct(field.type):
                for below in _matches(list(field.type), parts[length:], strict, fold):
                    found.extend(((field.name, *path), type_) for path, type_ in below)
                    break
        if found:
            yield found


def project_columns(schema: pa.Schema, columns: Sequence[Path]) -> pa.Schema:
    """Return the fields that hold some columns, in the order of their first mention.

    Of a struct that only has some of its fields mentioned, only those are left, in their own order.
    """
    below: dict[str, list[Path]] = {}
    for name, *rest in columns:
        below.setdefault(name, []).append(tuple(rest))
    return pa.schema([_prune(schema.field(name), rests) for name, rests in below.items()])


def _prune(field: pa.Field, paths: list[Path]) -> pa.Field:
    if () in paths:
        return field
    wanted: dict[str, list[Path]] = {}
    for name, *rest in paths:
        wanted.setdefault(name, []).append(tuple(rest))
    children = [_prune(child, wanted[child.name]) for child in field.type if child.name in wanted]
    return field.with_type(pa.struct(children))


def take_path(column: pa.Array, path: Path) -> pa.Array:
    """Return the values at `path` of the column ``path[0]``: null where a struct above them is null."""
    if len(path) == 1:
        return column
    indices: list[int] = []
    type_ = column.type
    for name in path[1:]:
        indices.append(type_.get_field_index(name))
        type_ = type_.field(indices[-1]).type
    return pc.struct_field(column, indices)
