"""Owns reconciliation: which adds of the commits live, and which of the checkpoint they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.errors import UnsupportedFeatureError
from deltastream.log.actions import ADDS
from deltastream.log.commit import Commit
from deltastream.log.paths import file_keys

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
    actions = pa.table({"key": pa.chunked_array(chunks, pa.string()), "order": np.arange(len(row))})
    last = actions.group_by("key", use_threads=False).aggregate([("order", "max")])
    live = row[np.asarray(last.column("order_max"))]
    return Reconciled(adds.take(np.sort(live[live >= 0])), last.column("key").combine_chunks())


def drop_replaced(adds: pa.Table, keys: pa.Array) -> pa.Table:
    """Return the checkpoint's `adds` on which no later commit has spoken."""
    if len(keys) == 0 or len(adds) == 0:
        return adds
    replaced = pc.is_in(file_keys(adds.column("path"), adds.column("dv_id")), value_set=keys)
    return adds.filter(pc.invert(replaced))


def sort_files(parts: list[pa.Table], *, table_uri: str, version: int) -> pa.Table:
    """Return the adds of all `parts` in base order: (modification time, decoded path, deletion-vector id).

    `parts` is emptied, and column after column is sorted and freed: a large table is never held twice.

    Raises:
        UnsupportedFeatureError: A live file has a deletion vector.
    """
    adds = pa.concat_tables(parts).unify_dictionaries()
    parts.clear()
    dv_ids = adds.column("dv_id")
    if dv_ids.null_count < len(adds):
        with_vector = adds.column("path").filter(dv_ids.is_valid())
        raise UnsupportedFeatureError(
            f"{table_uri}, version {version}: file {with_vector[0].as_py()} (one of "
            f"{len(with_vector)}) has a deletion vector (reader feature deletionVectors), which is "
            "not read yet; REORG TABLE ... APPLY (PURGE) rewrites such files"
        )
    # Arrow compares strings bytewise. Sorting chunks and merging them took half as long as sorting them as one.
    keys = [(name, "ascending") for name in ("modified_ms", "path", "dv_id")]
    order = pc.sort_indices(adds, sort_keys=keys)
    columns = dict(zip(adds.column_names, adds.columns, strict=True))
    del adds, dv_ids
    for name in list(columns):
        columns[name] = _one_array(columns.pop(name)).take(order)
    return pa.table(columns)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
