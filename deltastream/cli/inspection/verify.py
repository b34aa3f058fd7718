"""Owns the cross-check: opens with deltalake the version that we read, and compares. Alone in using deltalake."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote

import deltalake
import numpy as np
import pyarrow as pa

from deltastream.cli.inspection.compare import Theirs, compare
from deltastream.cli.inspection.model import Verification
from deltastream.storage import StorageAccess
from deltastream.storage.parse import parse_store
from deltastream.storage.redact import without_secrets
from deltastream.types import Snapshot

__all__ = ["verify_snapshot"]

T = TypeVar("T")

_FILE_URI = re.compile(r"^file:(//)?(?=/)")


def verify_snapshot(snapshot: Snapshot, access: StorageAccess) -> Verification:
    """Compare `snapshot` with the same version as deltalake has it; that it has none is a result too. Blocks."""
    store = parse_store(snapshot.table_uri, access.storage_options)
    # Nobody else's names, and the environment's too.
    options = None if isinstance(store, str) else dict(store.options)
    table, failure = _attempt(
        lambda: deltalake.DeltaTable(
            snapshot.table_uri, version=snapshot.version, storage_options=options
        )
    )
    theirs: Theirs | None = None
    if table is not None:
        theirs, failure = _attempt(lambda: _read(table))
    if theirs is None:
        reason = f"deltalake cannot open this table: {failure}"
        return Verification(deltalake.__version__, "not comparable", (reason,), 0, ())
    return compare(snapshot, theirs, deltalake_version=deltalake.__version__)


def _attempt(function: Callable[[], T]) -> tuple[T | None, str]:
    """Return what `function` gives, or None and why it failed."""
    try:
        return function(), ""
    except BaseException as error:
        # deltalake's panics are no Exception (pyo3_runtime.PanicException), and have no name to catch them by.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        # Where RUST_BACKTRACE is set its frames follow.
        told, *_ = re.split(r"\s0: <", " ".join(str(error).split()), maxsplit=1)
        return None, f"{type(error).__name__}: {without_secrets(told)}"


def _read(table: deltalake.DeltaTable) -> Theirs:
    actions = pa.table(table.get_add_actions())
    names = table.metadata().partition_columns
    vectors, failure = _attempt(lambda: _read_deletion_vectors(table))
    return Theirs(
        version=table.version(),
        table_id=str(table.metadata().id),
        schema=pa.schema(table.schema()),
        partition_columns=tuple(names),
        files=pa.table(
            {
                # file_uris() garbles escapes; these paths are the log's, escaped once.
                "path": pa.array(
                    [decode(path) for path in actions["path"].to_pylist()], pa.string()
                ),
                "nbytes": actions["size_bytes"],
                "modified_ms": actions["modification_time"],
                "num_records": actions["num_records"],
            }
        ),
        partitions=_read_partitions(actions),
        deletion_vectors=vectors,
        deletion_vectors_failure=failure,
    )


def _read_partitions(actions: pa.Table) -> pa.Table:
    if "partition" not in actions.column_names:
        return pa.table({})
    # flatten() applies the struct's own nulls, field() does not.
    chunk = actions["partition"].combine_chunks()
    return pa.table(dict(zip([f.name for f in chunk.type], chunk.flatten(), strict=True)))


def _read_deletion_vectors(table: deltalake.DeltaTable) -> dict[str, int]:
    """Return the number of deleted rows by absolute path."""
    deleted = {}
    for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()):
        for path, mask in zip(batch["filepath"], batch["selection_vector"], strict=True):
            kept = mask.values.to_numpy(zero_copy_only=False)
            deleted[decode(path.as_py())] = int(np.count_nonzero(~kept))
    return deleted


def decode(path: str) -> str:
    """Return the plain path of an escaped one; Delta PROTOCOL.md, "Add File and Remove File"."""
    return unquote(_FILE_URI.sub("", path))
