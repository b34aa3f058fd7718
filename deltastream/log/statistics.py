"""Owns the number of records of a file, as the statistics of its add action give it."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.log.json_lines import read_objects
from deltastream.log.leading_counts import leading_counts

__all__ = ["num_records"]

# Below this many texts, starting Arrow's reader costs more than Python's.
_MIN_COLUMNAR_ROWS = 128
_MAX_COUNT = 2**63 - 1
_SCHEMA = pa.schema([("numRecords", pa.int64())])


def num_records(texts: pa.Array | None, parsed: pa.Array | None, num_rows: int) -> pa.Array:
    """Return ``numRecords`` (int64) of each add action; null where the log has none that can be.

    Args:
        texts: The JSON of ``stats``, null where absent; None where the log has no such column.
        parsed: ``stats_parsed.numRecords``, used where the JSON gives nothing; None likewise.
        num_rows: The number of add actions.
    """
    counts = pa.nulls(num_rows, pa.int64())
    if texts is not None:
        counts = _parse(texts)
    if parsed is not None and counts.null_count > 0:
        counts = pc.coalesce(counts, parsed.cast(pa.int64()))
    return pc.if_else(pc.less(counts, 0), pa.scalar(None, pa.int64()), counts)


def _parse(texts: pa.Array) -> pa.Array:
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), pa.int64())
    if len(texts) < _MIN_COLUMNAR_ROWS:
        return _parse_by_row(texts)
    counts = leading_counts(texts)
    rest = pc.and_(counts.is_null(), texts.is_valid())
    if not pc.any(rest).as_py():
        return counts
    return pc.replace_with_mask(counts, rest, _parse_objects(texts.filter(rest)))


def _parse_objects(texts: pa.Array) -> pa.Array:
    """Parse texts in one go where Arrow's reader takes them, else one by one."""
    table = read_objects(texts, _SCHEMA)
    return _parse_by_row(texts) if table is None else pa.concat_arrays(table.column(0).chunks)


def _parse_by_row(texts: pa.Array) -> pa.Array:
    return pa.array([_count_of(text) for text in texts.to_pylist()], pa.int64())


def _count_of(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        statistics = json.loads(text)
    except (ValueError, RecursionError):
        return None
    count = statistics.get("numRecords") if isinstance(statistics, dict) else None
    if isinstance(count, float) and count.is_integer():
        count = int(count)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MAX_COUNT:
        return None
    return count
