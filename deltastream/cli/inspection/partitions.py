"""Owns the partitions: how many there are, and how files, bytes and rows spread over them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deltastream.cli.inspection.distribution import distribution
from deltastream.cli.inspection.model import PartitionColumn, Partitions, PartitionValue

__all__ = ["measure_partitions"]

_NUM_TOP = 5

Counts = npt.NDArray[np.int64]


def measure_partitions(
    partitions: pa.Table, nbytes: Counts, live_rows: Counts | None
) -> Partitions:
    """Count what lies in each partition.

    Args:
        partitions: A column per partition column, a row per file.
        nbytes: Bytes of each file.
        live_rows: Live rows of each file; None where some are not known.
    """
    columns = []
    # Which combination of the values so far each file has, counted from 0 without holes: no product overflows.
    combination = np.zeros(len(nbytes), np.int64)
    for name in partitions.column_names:
        codes, values = _encode(partitions[name])
        columns.append(_measure_column(name, codes, values, nbytes, live_rows))
        combination = np.unique(combination * len(values) + codes, return_inverse=True)[1]
    num_partitions = int(combination.max()) + 1 if len(combination) else 0
    return Partitions(
        num_partitions=num_partitions,
        files=distribution(_total(combination, num_partitions, None)),
        nbytes=distribution(_total(combination, num_partitions, nbytes)),
        rows=None
        if live_rows is None
        else distribution(_total(combination, num_partitions, live_rows)),
        columns=tuple(columns),
    )


def _measure_column(
    name: str, codes: Counts, values: pa.Array, nbytes: Counts, live_rows: Counts | None
) -> PartitionColumn:
    num_files = _total(codes, len(values), None)
    total_nbytes = _total(codes, len(values), nbytes)
    rows = None if live_rows is None else _total(codes, len(values), live_rows)
    # Stable, so that equal ones stay in the table's order.
    order = np.argsort(-(total_nbytes if rows is None else rows), kind="stable")
    return PartitionColumn(
        name=name,
        num_values=len(values),
        top=tuple(
            PartitionValue(
                value=_text(values[int(i)]),
                num_files=int(num_files[i]),
                nbytes=int(total_nbytes[i]),
                rows=None if rows is None else int(rows[i]),
            )
            for i in order[:_NUM_TOP]
        ),
    )


def _encode(column: pa.ChunkedArray) -> tuple[Counts, pa.Array]:
    """Return for each file which of the distinct values it has, and these; null is one of them."""
    values = column.combine_chunks()
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.int64), values[:1]
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary


def _total(codes: Counts, num_codes: int, amounts: Counts | None) -> Counts:
    if amounts is None:
        return np.bincount(codes, minlength=num_codes).astype(np.int64)
    totals = np.zeros(num_codes, np.int64)
    np.add.at(totals, codes, amounts)
    return totals


def _text(value: pa.Scalar) -> str | None:
    if not value.is_valid:
        return None
    if pa.types.is_binary(value.type):
        return str(value.as_py().decode("utf-8", "backslashreplace"))
    # Arrow's text, not Python's: its dates reach beyond the years 1 to 9999.
    return str(value.cast(pa.string()).as_py())
