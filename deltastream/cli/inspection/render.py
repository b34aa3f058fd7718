"""Owns the text of an inspection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from deltastream.cli.inspection.model import (
    Column,
    Distribution,
    Files,
    Inspection,
    PartitionColumn,
    Partitions,
    RowGroups,
    Verification,
)
from deltastream.cli.sections import Row, Section, print_sections
from deltastream.cli.text import count, nbytes_text, share, time_text

__all__ = ["render"]

_SPREAD_HEAD = ("", "min", "median", "max")


def render(inspection: Inspection, verification: Verification | None, out: TextIO) -> None:
    """Print an inspection to `out`."""
    print_sections(_sections(inspection, verification), out)


def _sections(inspection: Inspection, verification: Verification | None) -> Iterator[Section]:
    yield f"{inspection.table_uri}, version {inspection.version}", list(_overview(inspection))
    yield "Schema", [row for column in inspection.columns for row in _column(column, 0, inspection)]
    if inspection.configuration:
        yield "Configuration", list(inspection.configuration.items())
    yield from _files(inspection)
    if inspection.row_groups is not None:
        yield from _row_groups(inspection.row_groups, inspection.files.num_files)
    if inspection.statistics.columns and inspection.files.num_files:
        yield "Statistics", list(_column_statistics(inspection))
    if inspection.partitions is not None:
        yield from _partitions(inspection.partitions)
    if verification is not None:
        yield "Verification", list(_verification(verification))


def _overview(inspection: Inspection) -> Iterator[Row]:
    rows = inspection.rows
    yield "table id", inspection.table_id
    yield "reader version", str(inspection.protocol.min_reader_version)
    for i, feature in enumerate(inspection.protocol.reader_features):
        state = {True: "in use", False: "not in use", None: ""}[feature.in_use]
        yield "" if i else "reader features", feature.name, state
    yield "column mapping", inspection.protocol.column_mapping
    yield "columns", f"{len(inspection.columns):,}"
    yield "partition columns", ", ".join(inspection.partition_columns) or "none"
    yield "files", f"{inspection.files.num_files:,}"
    yield "bytes", _bytes(inspection.files.nbytes)
    if rows.num_uncounted_files:
        files = count(rows.num_uncounted_files, "file")
        looked = inspection.row_groups
        is_left = (
            looked is None
            or looked.num_files + looked.num_unreadable_files < inspection.files.num_files
        )
        hint = "--footers does" if is_left else "nor could its footer be read"
        yield "rows", f"not known: the log does not count {files}; {hint}"
    else:
        yield "rows", f"{rows.live:,} live, {rows.deleted:,} deleted, {rows.physical:,} physical"


def _column(column: Column, depth: int, inspection: Inspection) -> Iterator[Row]:
    remarks = [] if column.nullable else ["not null"]
    if not depth and column.name in inspection.partition_columns:
        remarks.append("partition column")
    if column.physical_name is not None and column.physical_name != column.name:
        remarks.append(f"physical name {column.physical_name}")
    if column.field_id is not None:
        remarks.append(f"id {column.field_id}")
    yield "  " * depth + column.name, column.type, ", ".join(remarks)
    for below in column.fields:
        yield from _column(below, depth + 1, inspection)


def _files(inspection: Inspection) -> Iterator[Section]:
    files, vectors = inspection.files, inspection.deletion_vectors
    if files.file_nbytes is None:
        return
    rows = [("bytes", *_spread(files.file_nbytes, nbytes=True))]
    rows.append(("live rows", *_spread(inspection.rows.per_file)))
    yield "Files", [_SPREAD_HEAD, *rows]
    counted = inspection.statistics.num_files_num_records
    facts = [
        _of_files(f"below {nbytes_text(files.small_nbytes)}", files.num_small_files, files),
        _of_files("with a row count", counted, files),
        _of_files("with a deletion vector", vectors.num_files, files),
    ]
    if vectors.num_files:
        kinds = ", ".join(
            f"{number:,} {kind}" for kind, number in vectors.storage.items() if number
        )
        facts.append(("deletion vectors", kinds, nbytes_text(vectors.nbytes)))
    for name, time_ms in (("oldest", files.oldest_ms), ("newest", files.newest_ms)):
        if time_ms is not None:
            facts.append((name, time_text(time_ms)))
    yield "", facts


def _row_groups(groups: RowGroups, num_files: int) -> Iterator[Section]:
    facts = [
        ("footers read", f"{groups.num_files:,} of {num_files:,}"),
        ("row groups", f"{groups.num_row_groups:,}"),
    ]
    for writer, number in groups.created_by.items():
        facts.append(("written by", f"{writer}, {count(number, 'file')}"))
    if groups.num_unreadable_files:
        facts.append(("unreadable", count(groups.num_unreadable_files, "file")))
        facts.extend(("", file.error) for file in groups.unreadable_files)
    yield "Row groups", facts
    if groups.num_row_groups:
        spreads = [
            ("a file", *_spread(groups.per_file)),
            ("rows", *_spread(groups.rows)),
            ("uncompressed", *_spread(groups.uncompressed_nbytes, nbytes=True)),
        ]
        yield "", [_SPREAD_HEAD, *spreads]


def _column_statistics(inspection: Inspection) -> Iterator[Row]:
    yield "", "files with min, max", "", "with null count", ""
    num_files = inspection.files.num_files
    for column in inspection.statistics.columns or ():
        bounds, nulls = column.num_files_min_max, column.num_files_null_count
        yield (
            ".".join(column.column),
            f"{bounds:,}",
            share(bounds, num_files),
            f"{nulls:,}",
            share(nulls, num_files),
        )


def _partitions(partitions: Partitions) -> Iterator[Section]:
    yield "Partitions", [("partitions", f"{partitions.num_partitions:,}")]
    if partitions.num_partitions:
        spreads = [
            ("files", *_spread(partitions.files)),
            ("bytes", *_spread(partitions.nbytes, nbytes=True)),
            ("live rows", *_spread(partitions.rows)),
        ]
        yield "", [_SPREAD_HEAD, *spreads]
        yield "", [row for column in partitions.columns for row in _partition_column(column)]


def _partition_column(column: PartitionColumn) -> Iterator[Row]:
    for i, value in enumerate(column.top):
        yield (
            "" if i else column.name,
            "" if i else count(column.num_values, "value"),
            "null" if value.value is None else repr(value.value),
            count(value.num_files, "file"),
            nbytes_text(value.nbytes),
            "rows not known" if value.rows is None else count(value.rows, "row"),
        )
    if column.num_values > len(column.top):
        yield "", "", "..."


def _verification(verification: Verification) -> Iterator[Row]:
    what = f"compared with deltalake {verification.deltalake_version}"
    number = count(verification.num_differences, "difference")
    yield what, number if verification.outcome == "different" else verification.outcome
    for note in verification.notes:
        yield "note", note
    for difference in verification.differences:
        where = "" if difference.file is None else f" of {difference.file}"
        yield (
            f"{difference.what}{where}",
            f"ours {difference.ours}",
            f"deltalake {difference.deltalake}",
        )
    if verification.num_differences > len(verification.differences):
        yield ("...",)


def _of_files(what: str, number: int, files: Files) -> Row:
    return what, count(number, "file"), share(number, files.num_files)


def _bytes(nbytes: int) -> str:
    return nbytes_text(nbytes) if nbytes < 1024 else f"{nbytes_text(nbytes)} ({nbytes:,} bytes)"


def _spread(spread: Distribution | None, *, nbytes: bool = False) -> Row:
    if spread is None:
        return ("not known",)
    numbers = (spread.min, spread.median, spread.max)
    return tuple(nbytes_text(n) if nbytes else f"{n:,}" for n in numbers)
