"""Owns which columns of a row group are decoded together: as many as stay in the cache until they are copied."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from deltastream.batch.layout import Field, Layout
from deltastream.batch.numbers import converts
from deltastream.options import HOT_NBYTES

__all__ = ["ColumnGroup", "ColumnGroups", "FieldRead"]


@dataclass(frozen=True, slots=True)
class FieldRead:
    """What one field needs of a decoded group: all its columns, or the one at `index` of those that are stacked."""

    field: Field
    index: int | None
    is_copied: bool
    """Whether the values are copied to memory of the window; otherwise the decoded memory is kept."""
    columns: tuple[str, ...] = dataclasses.field(init=False)
    stored: np.dtype[np.generic] | None = dataclasses.field(init=False)
    """The dtype of the field's numbers, where a column without nulls has them as they lie in memory."""

    def __post_init__(self) -> None:
        # Not properties: what a column needs of Python leaves the cache while the next one is decoded.
        columns = self.field.columns
        object.__setattr__(
            self, "columns", columns if self.index is None else (columns[self.index],)
        )
        object.__setattr__(self, "stored", _stored_dtype(self.field, self.index or 0))

    @property
    def row_nbytes(self) -> int | None:
        """Decoded bytes of a row, None where they vary."""
        dtype = self.field.dtype
        if dtype is None or self.field.kind == "ragged":
            return None
        if self.index is not None:
            return self.field.dtypes[self.index].itemsize
        return dtype.itemsize * prod(self.field.shape)


@dataclass(frozen=True, slots=True)
class ColumnGroup:
    """Reads whose columns are decoded together."""

    reads: tuple[FieldRead, ...]
    columns: tuple[str, ...]
    """Of all reads, each once."""
    may_be_whole: frozenset[str]
    """Of these the ones that are only copied: there, rows that are dropped can be left out."""

    @staticmethod
    def of(reads: list[FieldRead]) -> ColumnGroup:
        names = [name for read in reads for name in read.columns]
        others = {
            name
            for read in reads
            if not (read.is_copied and _keeps_numbers(read.field, read.index or 0))
            for name in read.columns
        }
        return ColumnGroup(tuple(reads), tuple(dict.fromkeys(names)), frozenset(names) - others)


class ColumnGroups:
    """The groups of a layout's columns, for slices of any length."""

    def __init__(self, layout: Layout, *, copies_all: bool) -> None:
        """`copies_all`: the rows of several row groups, or in another order, come together in memory of the window."""
        self.layout = layout
        self._copies_all = copies_all
        self._last: tuple[int, tuple[ColumnGroup, ...]] = (-1, ())

    def is_copied(self, field: Field) -> bool:
        """Say whether a field's values are copied to memory of the window; otherwise the decoded memory is kept."""
        return self._copies_all or field.kind == "stack"

    def of(self, num_rows: int) -> tuple[ColumnGroup, ...]:
        """Return the reads of a slice of `num_rows` rows, in the order of the fields, in groups.

        A group has at most `HOT_NBYTES` of values to be copied; a column that has more, or nobody knows how many, is
        copied alone. What is kept as it was decoded costs least in one group.
        """
        # Most row groups are as long as the one before. Read and written as one: several threads come here.
        last_rows, groups = self._last
        if last_rows != num_rows:
            groups = tuple(map(ColumnGroup.of, self._divide(num_rows)))
            self._last = (num_rows, groups)
        return groups

    def _divide(self, num_rows: int) -> Iterator[list[FieldRead]]:
        group: list[FieldRead] = []
        names: set[str] = set()
        nbytes = 0
        for read in self._reads(num_rows):
            width = read.row_nbytes
            size = HOT_NBYTES if width is None else width * num_rows
            if not read.is_copied or not names.isdisjoint(read.columns):
                # Kept as it is; or decoded once for all that lies in a struct.
                size = 0
            if group and size and nbytes + size > HOT_NBYTES:
                yield group
                group, names, nbytes = [], set(), 0
            group.append(read)
            names.update(read.columns)
            nbytes += size
        if group:
            yield group

    def _reads(self, num_rows: int) -> Iterator[FieldRead]:
        for field in self.layout.fields:
            is_copied = self.is_copied(field)
            if field.kind == "stack":
                for index in range(len(field.columns)):
                    yield FieldRead(field, index, is_copied)
            else:
                yield FieldRead(field, None, is_copied)


def _stored_dtype(field: Field, index: int) -> np.dtype[np.generic] | None:
    is_column = len(field.paths[index]) == 1 and not field.has_mask
    if is_column and _keeps_numbers(field, index) and field.are_stored[index]:
        return field.dtypes[index]
    return None


def _keeps_numbers(field: Field, index: int) -> bool:
    """Say whether the numbers of a column are wanted as they are decoded, unless there are nulls."""
    return field.kind in ("number", "stack") and not converts(field, field.dtypes[index])
