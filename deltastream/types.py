"""The values that cross rooms: a snapshot of a table and the parts of it that are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "DELETION_VECTOR",
    "FIELD_ID",
    "PHYSICAL_NAME",
    "VARIANT_PART",
    "ByteRange",
    "DecodeColumns",
    "DeletionVector",
    "FileContext",
    "ObjectInfo",
    "RowGroupSizes",
    "Snapshot",
    "column_mapping",
    "is_variant",
]

PHYSICAL_NAME = b"delta.columnMapping.physicalName"
"""Key of a schema field's Arrow metadata, at every level: its name in the files, in statistics and partition values."""

FIELD_ID = b"delta.columnMapping.id"
"""Key of a schema field's Arrow metadata, at every level: its Parquet field id, as decimal text."""

VARIANT_PART = b"deltastream.variantPart"
"""Key of the Arrow metadata of the two fields that store a variant: a struct of a user's may have the same names."""

DELETION_VECTOR = pa.struct(
    [
        ("storage_type", pa.string()),
        ("path_or_inline", pa.string()),
        ("offset", pa.int32()),
        ("nbytes", pa.int32()),
        ("cardinality", pa.int64()),
    ]
)
"""Delta PROTOCOL.md, "Deletion Vector Descriptor Schema"."""


def is_variant(type_: pa.DataType) -> bool:
    """Whether a type of the table's schema, or what is wanted of it, is the struct that stores a variant."""
    fields = [type_.field(i) for i in range(type_.num_fields)] if pa.types.is_struct(type_) else []
    return any(VARIANT_PART in (field.metadata or {}) for field in fields)


def column_mapping(
    min_reader_version: int, reader_features: Collection[str], configuration: Mapping[str, str]
) -> str:
    """Return the mode of a table's column mapping, in lower case.

    Delta PROTOCOL.md, "Column Mapping": the property counts on reader version 2, which lists no features, and on 3
    where the feature is listed; elsewhere it is to be left alone.
    """
    is_listed = min_reader_version >= 3 and "columnMapping" in reader_features
    is_supported = min_reader_version == 2 or is_listed
    mode = configuration.get("delta.columnMapping.mode", "none")
    return mode.lower() if is_supported else "none"


DecodeColumns: TypeAlias = Callable[[tuple[str, ...], frozenset[str]], Mapping[str, pa.Array]]
"""``decode(names, whole)`` gives the wanted rows of some columns of a row group.

Columns in `whole` may come with all rows of the row group instead, where to drop some would be a copy: then they are of
fixed width, unconverted, without nulls."""


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """A half-open byte range ``[start, stop)`` of one object."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"need 0 <= start < stop, got [{self.start}, {self.stop})")

    def divide(self, max_nbytes: int) -> list[ByteRange]:
        """Return the same bytes in ranges of at most `max_nbytes`, as few as can be, of nearly one length."""
        nbytes = self.stop - self.start
        num_parts = -(-nbytes // max_nbytes)
        cuts = [self.start + nbytes * i // num_parts for i in range(num_parts + 1)]
        return [ByteRange(start, stop) for start, stop in pairwise(cuts)]


@dataclass(frozen=True, slots=True)
class DeletionVector:
    """Where the log says that the deleted rows of a file are listed.

    Delta PROTOCOL.md, "Deletion Vector Descriptor Schema"; the fields are those of `DELETION_VECTOR`.
    """

    storage_type: str
    """"u": a file beside the table's, named by a UUID; "p": a file anywhere; "i": in the descriptor itself."""
    path_or_inline: str
    offset: int | None
    """Where it begins in its file; None if the log does not say."""
    nbytes: int
    """Bytes of the serialized bitmap, magic number included."""
    cardinality: int
    """How many rows it deletes."""

    def __post_init__(self) -> None:
        for name, value in (
            ("sizeInBytes", self.nbytes),
            ("cardinality", self.cardinality),
            ("offset", self.offset or 0),
        ):
            if value < 0:
                raise ValueError(f"need {name} >= 0, got {value}")

    def __str__(self) -> str:
        """Return its unique id in the log, for messages."""
        what = self.path_or_inline
        shown = what if len(what) <= 160 else f"{what[:40]}..."
        return f"{self.storage_type}{shown}" + ("" if self.offset is None else f"@{self.offset}")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a listing."""

    path: str
    """Path relative to the folder that was listed."""
    nbytes: int
    """-1: the listing does not tell."""
    modified_ms: int
    """Milliseconds since the epoch; -1: the listing does not tell."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a Delta table: its schema and its live files, in base order.

    `files` and `partitions` have one row per live file, in the same order: sorted by (modification time, decoded
    path, deletion-vector id), which does not depend on how the log is stored.
    """

    table_uri: str
    """Absolute: a local path or a URI."""
    version: int
    table_id: str
    """``metaData.id``."""
    schema: pa.Schema
    """The logical schema: columns in the table's order, partition columns among them. Under column mapping its fields
    carry `PHYSICAL_NAME` and `FIELD_ID`. A variant is ``struct<value: binary, metadata: binary>``, whose two fields
    never carry them."""
    partition_columns: tuple[str, ...]
    configuration: Mapping[str, str]
    min_reader_version: int
    reader_features: tuple[str, ...]
    files: pa.Table
    """Columns ``path`` (string, percent-decoded, relative to the table or absolute), ``nbytes`` (int64),
    ``modified_ms`` (int64), ``num_records`` (int64, deleted rows among them; null where the log has no statistics),
    ``deletion_vector`` (`DELETION_VECTOR`; null where there is none)."""
    partitions: pa.Table
    """One column per partition column, typed as in `schema`."""
    statistics: pa.Table | None = None
    """For each column path that was asked for, in that order, ``struct<min, max, null_count>``: no live value but NaN
    lies outside ``[min, max]``, which need not be values of the column, and at most `null_count` live rows are null;
    each is null where the log says nothing sure. A file whose rows are all null may have any bounds."""

    def __post_init__(self) -> None:
        if self.files.num_rows != self.partitions.num_rows and self.partition_columns:
            raise ValueError("files and partitions need the same number of rows")

    @property
    def column_mapping(self) -> str:
        """How columns are found in the files: "none", "name" (by `PHYSICAL_NAME`) or "id" (by `FIELD_ID`)."""
        return column_mapping(self.min_reader_version, self.reader_features, self.configuration)


@dataclass(frozen=True, slots=True)
class RowGroupSizes:
    """What the order needs of a file's footer, one entry per row group, int64."""

    num_rows: npt.NDArray[np.int64]
    """Live rows."""
    nbytes: npt.NDArray[np.int64]
    """About how many bytes the wanted columns decode to."""


@dataclass(frozen=True, slots=True)
class FileContext:
    """What an error about one data file names."""

    table_uri: str
    version: int
    path: str
    row_group: int | None
    stage: str

    def __str__(self) -> str:
        where = f"{self.table_uri} version {self.version}, file {self.path!r}"
        if self.row_group is not None:
            where += f", row group {self.row_group}"
        return f"{where}, {self.stage}"
