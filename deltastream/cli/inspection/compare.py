"""Owns the comparison of our snapshot with another reader's: pure, by column, each difference named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.cli.inspection.columns import describe_columns, has_variants
from deltastream.cli.inspection.model import Column, Difference, Verification
from deltastream.types import Snapshot

__all__ = ["Theirs", "compare"]

_MAX_DIFFERENCES = 100
"""Of those that are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Theirs:
    """A version of a table as deltalake has it."""

    version: int
    table_id: str
    schema: pa.Schema
    partition_columns: tuple[str, ...]
    files: pa.Table
    """``path`` decoded; ``nbytes``, ``modified_ms``, ``num_records`` as in a `Snapshot`."""
    partitions: pa.Table
    deletion_vectors: Mapping[str, int] | None
    """Deleted rows by absolute path; None where they could not be read, for the reason that follows."""
    deletion_vectors_failure: str


def compare(ours: Snapshot, theirs: Theirs, *, deltalake_version: str) -> Verification:
    """Compare two readings of one version."""
    notes: list[str] = []
    found = [*_compare_heads(ours, theirs), *_compare_files(ours, theirs, notes)]
    return Verification(
        deltalake_version=deltalake_version,
        outcome="different" if found else "same",
        notes=tuple(notes),
        num_differences=len(found),
        differences=tuple(found[:_MAX_DIFFERENCES]),
    )


def _compare_heads(ours: Snapshot, theirs: Theirs) -> Iterator[Difference]:
    yield from _differ("version", ours.version, theirs.version)
    yield from _differ("table id", ours.table_id, theirs.table_id)
    yield from _differ(
        "partition columns", list(ours.partition_columns), list(theirs.partition_columns)
    )
    variants = has_variants(ours.reader_features)
    mine = dict(_flatten(describe_columns(ours.schema, variants=variants)))
    other = dict(_flatten(describe_columns(theirs.schema, variants=variants)))
    for path in dict.fromkeys([*mine, *other]):
        yield from _differ(f"column {path}", mine.get(path), other.get(path))
    yield from _differ("order of columns", ours.schema.names, theirs.schema.names)


def _compare_files(ours: Snapshot, theirs: Theirs, notes: list[str]) -> Iterator[Difference]:
    left = _relative(ours.files["path"], ours.table_uri)
    right = _relative(theirs.files["path"], ours.table_uri)
    alone = right.filter(pc.invert(pc.is_in(right, left))).to_pylist()
    absolute = [path for path in alone if path.startswith("/")]
    if absolute:
        notes.append(
            f"files: {len(absolute):,} at absolute paths are live in deltalake alone, which takes /x, file:/x and "
            f"file:///x for different files and keeps what was removed under another spelling: {absolute[0]}"
        )
    yield from _differ("number of files", len(left), len(right) - len(absolute))
    for path in left.filter(pc.invert(pc.is_in(left, right))).to_pylist():
        yield Difference("file", path, "live", "not there")
    for path in alone:
        if not path.startswith("/"):
            yield Difference("file", path, "not there", "live")
    # Values are compared for paths that stand for one file on both sides.
    rows = _match(left, right)
    paths = left.take(rows[0])
    for name in ("nbytes", "modified_ms"):
        mine, other = ours.files[name].take(rows[0]), theirs.files[name].take(rows[1])
        yield from _compare_column(name, paths, mine, other)
    yield from _compare_counts(ours, theirs, rows, paths, notes)
    for name in ours.partition_columns:
        if name in theirs.partitions.column_names:
            mine = ours.partitions[name].take(rows[0])
            other = theirs.partitions[name].take(rows[1])
            yield from _compare_column(f"partition value of {name}", paths, mine, other)
    yield from _compare_deletion_vectors(ours, theirs, notes)


def _compare_counts(
    ours: Snapshot,
    theirs: Theirs,
    rows: tuple[pa.Array, pa.Array],
    paths: pa.Array,
    notes: list[str],
) -> Iterator[Difference]:
    mine = ours.files["num_records"].take(rows[0])
    other = theirs.files["num_records"].take(rows[1])
    # deltalake takes counts from the JSON statistics alone.
    unknown = pc.and_(other.is_null(), mine.is_valid())
    if number := pc.sum(unknown).as_py():
        notes.append(f"num_records: deltalake has none for {number:,} files, where we have one")
    known = pc.invert(unknown)
    yield from _compare_column(
        "num_records", paths.filter(known), mine.filter(known), other.filter(known)
    )


def _compare_deletion_vectors(
    ours: Snapshot, theirs: Theirs, notes: list[str]
) -> Iterator[Difference]:
    if theirs.deletion_vectors is None:
        notes.append(
            f"deletion vectors: deltalake cannot read them: {theirs.deletion_vectors_failure}"
        )
        return
    vectors = ours.files["deletion_vector"]
    has_vector = vectors.is_valid()
    paths = ours.files["path"].filter(has_vector).to_pylist()
    deleted = pc.struct_field(vectors.filter(has_vector), "cardinality").to_pylist()
    mine = {
        os.path.join(ours.table_uri, path): rows for path, rows in zip(paths, deleted, strict=True)
    }
    for path in dict.fromkeys([*mine, *theirs.deletion_vectors]):
        for difference in _differ(
            "deleted rows", mine.get(path), theirs.deletion_vectors.get(path)
        ):
            yield Difference(difference.what, path, difference.ours, difference.deltalake)


def _compare_column(
    what: str, paths: pa.Array, ours: pa.ChunkedArray, theirs: pa.ChunkedArray
) -> Iterator[Difference]:
    try:
        theirs = theirs.cast(ours.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        yield Difference(
            what, None, str(ours.type), f"{theirs.type}, which does not convert: {error}"
        )
        return
    if pa.types.is_null(ours.type):
        return
    same = pc.fill_null(pc.equal(ours, theirs), False)
    same = pc.or_(same, pc.and_(ours.is_null(), theirs.is_null()))
    if pa.types.is_floating(ours.type):
        same = pc.or_(same, pc.fill_null(pc.and_(pc.is_nan(ours), pc.is_nan(theirs)), False))
    for i in np.flatnonzero(~same.to_numpy()):
        yield Difference(what, paths[i].as_py(), _text(ours[i]), _text(theirs[i]))


def _match(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the rows of the values that each side has exactly once, in the order of `left`."""
    found = _to_numpy(pc.index_in(left, value_set=_once(right)))
    found[~_to_numpy(pc.is_in(left, value_set=_once(left))).astype(bool)] = -1
    position = _to_numpy(pc.index_in(_once(right), value_set=right))
    rows = np.flatnonzero(found >= 0)
    return pa.array(rows), pa.array(position[found[rows]])


def _once(values: pa.Array) -> pa.Array:
    counts = pc.value_counts(values)
    return counts.field("values").filter(pc.equal(counts.field("counts"), 1))


def _to_numpy(values: pa.Array) -> npt.NDArray[np.int64]:
    filled = pc.fill_null(values, -1) if pa.types.is_integer(values.type) else values
    return np.array(filled.to_numpy(zero_copy_only=False), np.int64)


def _relative(paths: pa.ChunkedArray, table_uri: str) -> pa.Array:
    """Return the paths relative to the table where they lie in it: a file may be logged either way."""
    paths = paths.combine_chunks()
    prefix = f"{table_uri}/"
    inside = pc.starts_with(paths, prefix)
    return pc.if_else(inside, pc.utf8_slice_codeunits(paths, len(prefix)), paths)


def _flatten(columns: tuple[Column, ...], above: str = "") -> Iterator[tuple[str, str]]:
    for column in columns:
        path = f"{above}{column.name}"
        yield path, column.type if column.nullable else f"{column.type} not null"
        yield from _flatten(column.fields, f"{path}.")


def _differ(what: str, ours: object, theirs: object) -> Iterator[Difference]:
    if ours != theirs:
        yield Difference(what, None, _text(ours), _text(theirs))


def _text(value: object) -> str:
    if isinstance(value, pa.Scalar):
        # Not by way of Python, whose dates end at the year 9999.
        value = (
            value.cast(pa.string()).as_py() if not pa.types.is_binary(value.type) else value.as_py()
        )
    return "nothing" if value is None else str(value)
