"""Owns the way from a snapshot, and footers if some were read, to an `Inspection`. Pure; no work per file in Python."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.cli.inspection.columns import (
    describe_columns,
    fields_in,
    has_variants,
    is_variant,
    leaf_paths,
)
from deltastream.cli.inspection.distribution import distribution
from deltastream.cli.inspection.footers import Footers
from deltastream.cli.inspection.model import (
    ColumnStatistics,
    DeletionVectors,
    Feature,
    Files,
    Inspection,
    Protocol,
    RowGroups,
    Rows,
    Statistics,
)
from deltastream.cli.inspection.partitions import measure_partitions
from deltastream.cli.inspection.secrets import hide_secrets
from deltastream.types import Snapshot

__all__ = ["SMALL_NBYTES", "measure", "statistics_paths"]

SMALL_NBYTES = 16 << 20
"""Below this a file is small: what is paid per file (a request, a footer, a map) begins to show beside its bytes."""

_NUM_UNREADABLE = 5
_STORAGE_KINDS = {"i": "inline", "u": "relative", "p": "absolute"}
"""Delta PROTOCOL.md, "Deletion Vector Descriptor Schema": storageType."""

Counts = npt.NDArray[np.int64]


def statistics_paths(snapshot: Snapshot) -> list[tuple[str, ...]]:
    """Return the columns that may have statistics."""
    paths = leaf_paths(snapshot.schema, variants=has_variants(snapshot.reader_features))
    return [path for path in paths if path[0] not in snapshot.partition_columns]


def measure(snapshot: Snapshot, footers: Footers | None = None) -> Inspection:
    """Measure a snapshot.

    Args:
        snapshot: Its `statistics`, where it has them, are those of `statistics_paths`.
        footers: Those that were read; None where none was asked for.
    """
    files = snapshot.files
    nbytes = files["nbytes"].to_numpy()
    # -1 for a file that nothing counts.
    physical = files["num_records"].fill_null(-1).to_numpy().astype(np.int64)
    if footers is not None:
        physical[footers.files] = footers.file_rows
    vectors = files["deletion_vector"]
    deleted = _deleted_rows(vectors)
    num_uncounted = int((physical < 0).sum())
    live = None if num_uncounted else physical - deleted
    return Inspection(
        table_uri=snapshot.table_uri,
        version=snapshot.version,
        table_id=snapshot.table_id,
        protocol=_protocol(snapshot),
        columns=describe_columns(snapshot.schema, variants=has_variants(snapshot.reader_features)),
        partition_columns=snapshot.partition_columns,
        configuration=hide_secrets(snapshot.configuration),
        files=_files(nbytes, files["modified_ms"]),
        rows=Rows(
            physical=None if num_uncounted else int(physical.sum()),
            deleted=int(deleted.sum()),
            live=None if live is None else int(live.sum()),
            per_file=None if live is None else distribution(live),
            num_uncounted_files=num_uncounted,
        ),
        statistics=_statistics(snapshot),
        deletion_vectors=_deletion_vectors(vectors, int(deleted.sum())),
        partitions=measure_partitions(snapshot.partitions, nbytes, live)
        if snapshot.partition_columns
        else None,
        row_groups=None if footers is None else _row_groups(footers),
    )


def _protocol(snapshot: Snapshot) -> Protocol:
    return Protocol(
        min_reader_version=snapshot.min_reader_version,
        reader_features=tuple(
            Feature(name, _in_use(name, snapshot)) for name in sorted(snapshot.reader_features)
        ),
        column_mapping=snapshot.column_mapping,
    )


def _in_use(feature: str, snapshot: Snapshot) -> bool | None:
    match feature:
        case "columnMapping":
            return snapshot.column_mapping != "none"
        case "deletionVectors":
            vectors = snapshot.files["deletion_vector"]
            return bool(vectors.null_count < len(vectors))
        case "timestampNtz":
            types = [field.type for field in fields_in(snapshot.schema)]
            return any(pa.types.is_timestamp(type_) and type_.tz is None for type_ in types)
        case "variantType" | "variantType-preview":
            return any(map(is_variant, fields_in(snapshot.schema)))
        case _:
            return None


def _files(nbytes: Counts, modified_ms: pa.ChunkedArray) -> Files:
    times = pc.min_max(modified_ms).as_py()
    return Files(
        num_files=len(nbytes),
        nbytes=int(nbytes.sum()),
        file_nbytes=distribution(nbytes),
        small_nbytes=SMALL_NBYTES,
        num_small_files=int((nbytes < SMALL_NBYTES).sum()),
        oldest_ms=times["min"],
        newest_ms=times["max"],
    )


def _deleted_rows(vectors: pa.ChunkedArray) -> Counts:
    cardinality = pc.struct_field(vectors, "cardinality")
    deleted: Counts = cardinality.fill_null(0).to_numpy().astype(np.int64)
    return deleted


def _deletion_vectors(vectors: pa.ChunkedArray, deleted_rows: int) -> DeletionVectors:
    kinds = pc.value_counts(pc.struct_field(vectors, "storage_type").drop_null())
    found = {kind["values"]: kind["counts"] for kind in kinds.to_pylist()}
    return DeletionVectors(
        num_files=len(vectors) - vectors.null_count,
        deleted_rows=deleted_rows,
        storage={name: found.get(kind, 0) for kind, name in _STORAGE_KINDS.items()},
        nbytes=pc.sum(pc.struct_field(vectors, "nbytes")).as_py() or 0,
    )


def _statistics(snapshot: Snapshot) -> Statistics:
    num_records = snapshot.files["num_records"]
    columns = None
    if snapshot.statistics is not None:
        paths = statistics_paths(snapshot)
        columns = tuple(
            _column_statistics(path, snapshot.statistics.column(i)) for i, path in enumerate(paths)
        )
    return Statistics(len(num_records) - num_records.null_count, columns)


def _column_statistics(path: tuple[str, ...], column: pa.ChunkedArray) -> ColumnStatistics:
    low, high, nulls = (
        pc.struct_field(column, name).is_valid() for name in ("min", "max", "null_count")
    )
    return ColumnStatistics(
        column=path,
        num_files_min_max=pc.sum(pc.and_(low, high)).as_py() or 0,
        num_files_null_count=pc.sum(nulls).as_py() or 0,
    )


def _row_groups(footers: Footers) -> RowGroups:
    return RowGroups(
        num_files=len(footers.files),
        num_row_groups=len(footers.row_group_rows),
        per_file=distribution(footers.num_row_groups),
        rows=distribution(footers.row_group_rows),
        uncompressed_nbytes=distribution(footers.row_group_nbytes),
        created_by=dict(footers.created_by.most_common()),
        num_unreadable_files=len(footers.unreadable),
        unreadable_files=footers.unreadable[:_NUM_UNREADABLE],
    )
