"""Owns bytes of one file that were fetched: some ranges of it, read as if they were the file."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence

import pyarrow as pa

from deltastream.storage import Buffer
from deltastream.types import ByteRange

__all__ = ["Fetched"]


class Fetched:
    """Some byte ranges of a file, in memory."""

    __slots__ = ("_buffers", "_starts", "_stops", "file_nbytes")

    def __init__(self, file_nbytes: int, parts: Sequence[tuple[ByteRange, Buffer]]) -> None:
        """`parts` do not overlap."""
        self.file_nbytes = file_nbytes
        ordered = sorted(parts, key=lambda part: part[0])
        self._starts = [part.start for part, _ in ordered]
        self._stops = [part.stop for part, _ in ordered]
        self._buffers = [memoryview(data) for _, data in ordered]

    def __repr__(self) -> str:
        return f"<Fetched {self.nbytes} of {self.file_nbytes} bytes in {len(self._buffers)} ranges>"

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(len(data) for data in self._buffers)

    @property
    def ranges(self) -> list[ByteRange]:
        """What is held."""
        return [ByteRange(*ends) for ends in zip(self._starts, self._stops, strict=True)]

    @property
    def is_whole(self) -> bool:
        """Whether the whole file is held."""
        return self.nbytes == self.file_nbytes

    def read(self, start: int, stop: int) -> memoryview:
        """Return the bytes ``[start, stop)`` of the file: a view where one range has them all, else a copy.

        Raises:
            EOFError: Not all of them were fetched.
        """
        first = bisect_right(self._starts, start) - 1
        if first >= 0 and stop <= self._stops[first]:
            offset = self._starts[first]
            return self._buffers[first][start - offset : stop - offset]
        # A long column chunk was divided: its pieces lie end to end.
        pieces = []
        position = start
        for i in range(max(first, 0), len(self._starts)):
            if position >= stop or not self._starts[i] <= position < self._stops[i]:
                break
            offset = self._starts[i]
            pieces.append(self._buffers[i][position - offset : stop - offset])
            position = self._stops[i]
        if position < stop:
            raise EOFError(f"bytes [{start}, {stop}) of the file were not fetched")
        return memoryview(b"".join(pieces))

    def open(self) -> pa.NativeFile:
        """Return a file that reads what was fetched, at its place, and raises where anything else is asked for."""
        if len(self._buffers) == 1 and self.is_whole:
            return pa.BufferReader(pa.py_buffer(self._buffers[0]))
        return pa.PythonFile(_RangeFile(self), mode="r")


class _RangeFile:
    """What `pa.PythonFile` needs: Arrow seeks and reads once for each column chunk, and does not copy what it gets."""

    def __init__(self, fetched: Fetched) -> None:
        self._fetched = fetched
        self._position = 0
        self.closed = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._fetched.file_nbytes}
        self._position = base[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read_buffer(self, nbytes: int) -> pa.Buffer:
        return pa.py_buffer(self.read(nbytes))

    def read(self, nbytes: int) -> memoryview:
        start = self._position
        stop = min(start + nbytes, self._fetched.file_nbytes)
        try:
            data = self._fetched.read(start, stop) if start < stop else memoryview(b"")
        except EOFError as error:
            # What Arrow hands on is told by its kind: others would look like errors of ours.
            raise OSError(str(error)) from None
        self._position = stop
        return data

    def close(self) -> None:
        self.closed = True
