"""Owns `Inspection`: everything that is told of a table. Its field names are the keys of the JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "Column",
    "ColumnStatistics",
    "DeletionVectors",
    "Difference",
    "Distribution",
    "Feature",
    "Files",
    "Inspection",
    "PartitionColumn",
    "PartitionValue",
    "Partitions",
    "Protocol",
    "RowGroups",
    "Rows",
    "Statistics",
    "UnreadableFile",
    "Verification",
]


@dataclass(frozen=True, slots=True)
class Distribution:
    """How some counts spread; the median of an even number is the lower of the two in the middle."""

    min: int
    median: int
    max: int


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the schema, at any level."""

    name: str
    """``element``, ``key`` and ``value`` below arrays and maps."""
    type: str
    """As Delta names it."""
    nullable: bool
    physical_name: str | None
    """Its name in the files under column mapping, else None."""
    field_id: int | None
    """Its Parquet field id under column mapping, else None."""
    fields: tuple[Column, ...]
    """Those below it."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A reader feature that the protocol lists."""

    name: str
    in_use: bool | None
    """Whether something of this version needs it; None where a snapshot does not tell."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What the table asks of a reader."""

    min_reader_version: int
    reader_features: tuple[Feature, ...]
    column_mapping: str
    """``none``, ``name`` or ``id``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Counts of rows; None where `num_uncounted_files` is not 0, but for `deleted`."""

    physical: int | None
    """In the files, deleted ones among them."""
    deleted: int
    """By deletion vectors."""
    live: int | None
    per_file: Distribution | None
    """Live rows of a file; None too where there is no file."""
    num_uncounted_files: int
    """Files whose rows neither the log nor a footer that was read counts."""


@dataclass(frozen=True, slots=True)
class Files:
    """The live files."""

    num_files: int
    nbytes: int
    file_nbytes: Distribution | None
    """None where there is no file."""
    small_nbytes: int
    """A file below this is small."""
    num_small_files: int
    oldest_ms: int | None
    """The first modification time, in milliseconds since the epoch; None where there is no file."""
    newest_ms: int | None


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file whose footer could not be read, or has another number of rows than the log says."""

    path: str
    error: str


@dataclass(frozen=True, slots=True)
class RowGroups:
    """What footers say."""

    num_files: int
    """Files whose footer was read: spread evenly over the table, where not all were asked for."""
    num_row_groups: int
    """In those files."""
    per_file: Distribution | None
    """Row groups of a file; None, as the two below, where there is none."""
    rows: Distribution | None
    """Rows of a row group, deleted ones among them."""
    uncompressed_nbytes: Distribution | None
    """Encoded bytes of a row group before compression."""
    created_by: Mapping[str, int]
    """Writer to its number of files."""
    num_unreadable_files: int
    unreadable_files: tuple[UnreadableFile, ...]
    """The first few."""


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """In how many files the log says something sure of a column."""

    column: tuple[str, ...]
    """Its path from the top of the schema."""
    num_files_min_max: int
    """Files with both bounds."""
    num_files_null_count: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """How far the log's statistics reach."""

    num_files_num_records: int
    columns: tuple[ColumnStatistics, ...] | None
    """The leaves outside of arrays and maps, but for partition columns; None where they were not asked for."""


@dataclass(frozen=True, slots=True)
class DeletionVectors:
    """The live files' deletion vectors."""

    num_files: int
    deleted_rows: int
    storage: Mapping[str, int]
    """``inline``, ``relative`` and ``absolute`` to the number of files."""
    nbytes: int


@dataclass(frozen=True, slots=True)
class PartitionValue:
    """A value of a partition column."""

    value: str | None
    """As text; None for null."""
    num_files: int
    nbytes: int
    rows: int | None
    """Live ones; None where a file of the table is not counted."""


@dataclass(frozen=True, slots=True)
class PartitionColumn:
    """The values of one partition column."""

    name: str
    num_values: int
    """Distinct ones, null among them."""
    top: tuple[PartitionValue, ...]
    """Those with the most live rows; with the most bytes, where rows are not counted."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """How the files spread over the partitions: the combinations of values that there are."""

    num_partitions: int
    files: Distribution | None
    """Files of a partition; None, as the two below, where there is no file."""
    nbytes: Distribution | None
    rows: Distribution | None
    """Live rows of a partition; None too where a file of the table is not counted."""
    columns: tuple[PartitionColumn, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """One version of a table, as far as its log and the footers that were read tell."""

    table_uri: str
    version: int
    table_id: str
    protocol: Protocol
    columns: tuple[Column, ...]
    partition_columns: tuple[str, ...]
    configuration: Mapping[str, str]
    """Values that may be secret are replaced."""
    files: Files
    rows: Rows
    statistics: Statistics
    deletion_vectors: DeletionVectors
    partitions: Partitions | None
    """None where the table is not partitioned."""
    row_groups: RowGroups | None
    """None where no footer was asked for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that deltalake sees otherwise."""

    what: str
    file: str | None
    """The data file it is about; None where it is about the table."""
    ours: str
    deltalake: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether deltalake reads the same from the log."""

    deltalake_version: str
    outcome: str
    """``same``, ``different`` or ``not comparable``: deltalake cannot open this version of the table."""
    notes: tuple[str, ...]
    """What could not be compared, and why."""
    num_differences: int
    differences: tuple[Difference, ...]
    """The first hundred."""

    @property
    def exit_code(self) -> int:
        """The command's: 0, 1 where something differs, 3 where nothing could be compared."""
        return {"same": 0, "different": 1, "not comparable": 3}[self.outcome]
