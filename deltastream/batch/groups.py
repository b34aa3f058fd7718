"""Owns which columns of a row group are decoded together: as many as stay in the cache until they are copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from deltastream.batch.layout import Field, Layout
from deltastream.options import HOT_NBYTES

__all__ = ["FieldRead", "column_groups"]


@dataclass(frozen=True, slots=True)
class FieldRead:
    """What one field needs of a decoded group: all its columns, or the one at `index` of those that are stacked."""

    field: Field
    index: int | None

    @property
    def columns(self) -> Sequence[str]:
        return self.field.columns if self.index is None else (self.field.columns[self.index],)

    @property
    def row_nbytes(self) -> int | None:
        """Decoded bytes of a row, None where they vary."""
        field = self.field
        if field.dtype is None or field.kind == "ragged":
            return None
        if self.index is not None:
            return field.dtypes[self.index].itemsize
        return field.dtype.itemsize * prod(field.shape)


def column_groups(
    layout: Layout, num_rows: int, is_copied: Callable[[Field], bool]
) -> Iterator[list[FieldRead]]:
    """Yield the reads of a slice of `num_rows` rows, in the order of the fields, in groups.

    A group has at most `HOT_NBYTES` of values to be copied; a column that has more, or nobody knows how many, is
    copied alone. What is kept as it was decoded costs least in one group.
    """
    group: list[FieldRead] = []
    names: set[str] = set()
    nbytes = 0
    for read in _reads(layout):
        width = read.row_nbytes
        size = HOT_NBYTES if width is None else width * num_rows
        if not is_copied(read.field) or not names.isdisjoint(read.columns):
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


def _reads(layout: Layout) -> Iterator[FieldRead]:
    for field in layout.fields:
        if field.kind == "stack":
            yield from (FieldRead(field, index) for index in range(len(field.columns)))
        else:
            yield FieldRead(field, None)
