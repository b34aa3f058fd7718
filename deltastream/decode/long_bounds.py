"""Owns leaving the bounds of long values out of a footer, before Arrow makes objects of it that are kept.

Writers that do not cut them put the least and the greatest value of a column chunk into the footer, whole (Parquet
format, "Statistics"): of images of 110 KB two a row group, 20 MB for a file of a GB.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["parse_without_long_bounds"]

_LEAST_NBYTES = 1 << 20
"""Of shorter footers it saves nothing to speak of."""

_LONG_NBYTES = 1 << 10
"""Statistics of this size and more are left out: hardly a row group is told apart by them."""

_FEW_VALUES = 1000
_VALUE_NBYTES = 200
"""A footer with more structs and items of lists than so many, and one for each so many bytes, is left as it is: Arrow
is faster then."""

_MAGIC = b"PAR1"
_END_NBYTES = 8
# Of `FileMetaData` the row groups, of these the columns, of these the metadata, of that the statistics: parquet.thrift.
_STATISTICS = (4, 1, 3, 12)
_NULL_COUNT = 3
_STOP = b"\0"

# The types of the compact protocol of Apache Thrift, "Struct encoding".
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(
    1, 14
)
_INTEGERS = frozenset((_I16, _I32, _I64))
_BOOLEANS = (_TRUE, _FALSE)
# A field's type is its value, if that is a boolean.
_FIXED_NBYTES = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8, _UUID: 16}


def parse_without_long_bounds(source: pa.NativeFile) -> pq.FileMetaData | None:
    """Return a file's metadata without the statistics of chunks that have long ones; None where none has.

    Their count of nulls stays. Nothing is said of a file that is damaged, or none: None, too.

    Raises:
        OSError: It cannot be read, or is damaged.
    """
    file_nbytes = source.size()
    if file_nbytes < _LEAST_NBYTES:
        return None
    end = source.read_at(_END_NBYTES, file_nbytes - _END_NBYTES)
    nbytes = int.from_bytes(end[:4], "little")
    if end[4:] != _MAGIC or not _LEAST_NBYTES <= nbytes <= file_nbytes - _END_NBYTES:
        return None
    source.seek(file_nbytes - _END_NBYTES - nbytes)
    short = _without_long_bounds(memoryview(source.read_buffer(nbytes)).cast("B"))
    if short is None:
        return None
    return pq.read_metadata(pa.BufferReader(short + len(short).to_bytes(4, "little") + _MAGIC))


def _without_long_bounds(footer: memoryview) -> bytes | None:
    compact = _Compact(footer)
    parts: list[bytes | memoryview] = []
    copied = 0
    try:
        for _ in compact.structs(_STATISTICS):
            start = compact.at
            null_count: bytes = b""
            for number, type_ in compact.fields():
                first = compact.at
                compact.skip(type_)
                if (number, type_) == (_NULL_COUNT, _I64):
                    null_count = bytes([_NULL_COUNT << 4 | _I64]) + footer[first : compact.at]
            if compact.at - start >= _LONG_NBYTES:
                parts += [footer[copied:start], null_count, _STOP]
                copied = compact.at
    except (IndexError, OverflowError, RecursionError, ValueError):
        return None
    return b"".join([*parts, footer[copied:]]) if parts else None


class _Compact:
    """Walks over a struct in Thrift's compact protocol; strings cost nothing, whatever their length."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 0
        self._num_values = 0

    def structs(self, path: tuple[int, ...]) -> Iterator[None]:
        """Stop before each struct at `path`, the numbers of fields from here on, for the caller to go on behind it."""
        for number, type_ in self.fields():
            item, num_items = type_, 1
            if number == path[0] and type_ == _LIST:
                item, num_items = self._list()
            if number != path[0] or item != _STRUCT:
                self._skip_items(item, num_items)
                continue
            for _ in range(num_items):
                if path[1:]:
                    yield from self.structs(path[1:])
                else:
                    yield

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct, for the caller to go on behind its value.

        Raises:
            ValueError: There have been too many values.
            IndexError: The data ends before.
        """
        self._count(1)
        number = 0
        while header := self._byte():
            # A number that is not a little more than the last is written out, its sign in the last bit.
            number = number + (header >> 4) if header >> 4 else self._varint() >> 1
            yield number, header & 15

    def skip(self, type_: int) -> None:
        """Go on behind the value of a field.

        Raises:
            ValueError: There is no such type, or there have been too many values.
            IndexError: The data ends before.
        """
        if type_ in _INTEGERS:
            data, at = self._data, self.at
            while data[at] > 127:
                at += 1
            self.at = at + 1
        elif type_ == _BINARY:
            # Not `+=`, which would take the position from before the length.
            nbytes = self._varint()
            self.at += nbytes
        elif type_ == _STRUCT:
            self._count(1)
            while header := self._byte():
                if header < 16:
                    self.skip(_I16)
                self.skip(header & 15)
        elif type_ in (_LIST, _SET):
            item, num_items = self._list()
            self._skip_items(_BYTE if item in _BOOLEANS else item, num_items)
        elif type_ in _FIXED_NBYTES:
            self.at += _FIXED_NBYTES[type_]
        else:
            raise ValueError(f"type {type_}")

    def _skip_items(self, type_: int, num_items: int) -> None:
        if type_ in _FIXED_NBYTES:
            self.at += num_items * _FIXED_NBYTES[type_]
            return
        self._count(num_items)
        for _ in range(num_items):
            self.skip(type_)

    def _count(self, num_values: int) -> None:
        self._num_values += num_values
        if self._num_values > _FEW_VALUES + self.at // _VALUE_NBYTES:
            raise ValueError("the values are short")

    def _list(self) -> tuple[int, int]:
        """Return the type of a list's items, and how many there are."""
        header = self._byte()
        return header & 15, header >> 4 if header >> 4 < 15 else self._varint()

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) > 127:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift
