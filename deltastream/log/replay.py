"""Owns reconciliation: which adds of the commits live, and which of the checkpoint they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import LogCorruptError
from deltastream.log.actions import ADDS
from deltastream.log.commit import Commit
from deltastream.log.deletion_vectors import unique_ids
from deltastream.log.paths import file_keys, paths_of

__all__ = ["Reconciled", "drop_replaced", "reconcile", "sort_files"]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the commits after a checkpoint leave."""

    adds: pa.Table
    """Columns of `ADDS`: the adds that live after the last commit."""
    keys: pa.Array
    """The key of every file that a commit added or removed: the checkpoint's word on it is void."""


def reconcile(commits: Sequence[Commit]) -> Reconciled:
    """Replay `commits`, oldest first: the last action on a file decides.

    Delta PROTOCOL.md, "Action Reconciliation". Inside one commit removes go before adds: one that does both to a file
    leaves it alive.
    """
    adds = pa.concat_tables([ADDS.empty_table(), *(commit.adds for commit in commits)])
    keys: list[pa.ChunkedArray] = []
    # The row in `adds` of each action, -1 for a remove.
    rows: list[np.ndarray] = [np.empty(0, np.int64)]
    start = 0
    for commit in commits:
        stop = start + len(commit.adds)
        keys += [commit.removed, commit.added]
        rows += [np.full(len(commit.removed), -1), np.arange(start, stop)]
        start = stop
    row = np.concatenate(rows)
    chunks = [chunk for key in keys for chunk in key.chunks]
    encoded = pa.chunked_array(chunks, pa.string()).dictionary_encode().combine_chunks()
    # Where a key comes again, the last assignment to its place stays.
    live = np.empty(len(encoded.dictionary), np.int64)
    live[np.asarray(encoded.indices)] = row
    return Reconciled(adds.take(np.sort(live[live >= 0])), encoded.dictionary)


def drop_replaced(adds: pa.Table, keys: pa.Array) -> pa.Table:
    """Return the checkpoint's `adds` on which no later commit has spoken."""
    if len(keys) == 0 or len(adds) == 0:
        return adds
    # Few paths of a large checkpoint are spoken of again; only for these the whole keys are made.
    may_be = pc.is_in(adds.column("path"), value_set=paths_of(keys))
    found = adds.filter(may_be)
    spoken = pc.is_in(
        file_keys(found.column("path"), found.column("deletion_vector")), value_set=keys
    )
    if not pc.any(spoken, min_count=0).as_py():
        return adds
    replaced = np.asarray(may_be)
    replaced[replaced] = np.asarray(spoken)
    return adds.filter(pa.array(~replaced))


def sort_files(parts: list[pa.Table], *, table_uri: str, version: int) -> pa.Table:
    """Return the adds of all `parts` in base order: (modification time, decoded path, deletion-vector id).

    `parts` is emptied, and column after column is sorted and freed: a large table is never held twice.

    Raises:
        LogCorruptError: A file has fewer than 0 bytes, a deletion vector deletes more rows than its file has, or a
            file lives twice.
    """
    adds = pa.concat_tables(parts).unify_dictionaries()
    parts.clear()
    _check_sizes(adds, table_uri=table_uri, version=version)
    _check_cardinalities(adds, table_uri=table_uri, version=version)
    # Arrow compares strings bytewise. Sorting chunks and merging them took half as long as sorting them as one.
    by = adds.select(["modified_ms", "path"])
    vectors = adds.column("deletion_vector")
    if vectors.null_count < len(vectors):
        by = by.append_column("dv_id", unique_ids(vectors))
    order = pc.sort_indices(by, sort_keys=[(name, "ascending") for name in by.column_names])
    columns = dict(zip(adds.column_names, adds.columns, strict=True))
    del adds, by, vectors
    for name in list(columns):
        columns[name] = _one_array(columns.pop(name)).take(order)
    files = pa.table(columns)
    _check_paths(files, table_uri=table_uri, version=version)
    return files


def _check_paths(files: pa.Table, *, table_uri: str, version: int) -> None:
    """PROTOCOL.md, "Action Reconciliation": the adds of a snapshot have unique paths."""
    paths = files.column("path").combine_chunks()
    # Sorted, equal ones are neighbours: half the time of counting them by hash.
    ordered = paths.take(pc.sort_indices(paths))
    is_same = pc.equal(ordered.slice(1), ordered.slice(0, max(len(ordered) - 1, 0)))
    first = pc.index(is_same, True).as_py()
    if first >= 0:
        raise LogCorruptError(
            f"{table_uri}, version {version}: file {ordered[first].as_py()} is added twice, and neither is removed"
        )


def _check_sizes(adds: pa.Table, *, table_uri: str, version: int) -> None:
    place = pc.index(pc.less(adds.column("nbytes"), 0), True).as_py()
    if place >= 0:
        wrong = adds.slice(place, 1)
        raise LogCorruptError(
            f"{table_uri}, version {version}: file {wrong['path'][0]} has a size of {wrong['nbytes'][0]} bytes"
        )


def _check_cardinalities(adds: pa.Table, *, table_uri: str, version: int) -> None:
    vectors = adds.column("deletion_vector")
    if vectors.null_count == len(vectors):
        return
    deleted = pc.struct_field(vectors, "cardinality")
    wrong = adds.filter(pc.greater(deleted, adds.column("num_records")))
    if len(wrong) > 0:
        first = wrong.slice(0, 1).to_pylist()[0]
        raise LogCorruptError(
            f"{table_uri}, version {version}: the deletion vector of file {first['path']} deletes "
            f"{first['deletion_vector']['cardinality']} rows of {first['num_records']}"
        )


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
