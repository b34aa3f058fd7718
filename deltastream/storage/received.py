"""Owns the bytes of one read as they come in: exactly those asked for, of one state of one object."""

from __future__ import annotations

import numpy as np

from deltastream.errors import ObjectChangedError
from deltastream.storage.transport import Buffer, Response
from deltastream.types import ByteRange

__all__ = ["Received"]


class Received:
    """What came of a range, or of a whole object, over as many attempts as it takes."""

    def __init__(
        self,
        name: str,
        byte_range: ByteRange | None,
        *,
        object_nbytes: int | None,
        memory: memoryview | None = None,
    ) -> None:
        """`object_nbytes` is what the object is to have; None where nobody knows.

        `memory`: where the bytes of the range go; None: where there is room.
        """
        self._name = name
        self._is_whole = byte_range is None
        self._start = 0 if byte_range is None else byte_range.start
        self._stop = object_nbytes if byte_range is None else byte_range.stop
        self._object_nbytes = object_nbytes
        self._etag: str | None = None
        self._parts: list[Buffer] = []
        self._memory = memory
        self.nbytes = 0
        self._check_stop()

    @property
    def missing_nbytes(self) -> int | None:
        """Bytes still to come; None where the end is not known yet."""
        return None if self._stop is None else self._stop - self._start - self.nbytes

    @property
    def is_complete(self) -> bool:
        return self.missing_nbytes == 0

    def rest(self) -> ByteRange | None:
        """Return what to ask for next; None for the whole object."""
        if self._is_whole and (self.nbytes == 0 or self._stop is None):
            # Of an object of unknown size the rest cannot be asked for.
            self._parts.clear()
            self.nbytes = 0
            return None
        assert self._stop is not None
        return ByteRange(self._start + self.nbytes, self._stop)

    def check(self, response: Response) -> None:
        """Check that `response` begins where it is to, and that the object is the one that earlier answers were of.

        Raises:
            ObjectChangedError: It is another one.
            OSError: The store ignored the range.
        """
        if response.start != self._start + self.nbytes:
            raise OSError(
                f"bytes from {self._start + self.nbytes} on were asked for, and those from {response.start} on came: "
                "the store ignores ranges"
            )
        if response.object_nbytes is not None:
            self.check_object_nbytes(response.object_nbytes)
        if response.etag is not None:
            if self._etag is not None and response.etag != self._etag:
                raise ObjectChangedError(f"{self._name} was replaced while it was read")
            self._etag = response.etag

    def check_object_nbytes(self, object_nbytes: int) -> None:
        """Check the object's size, once it is known.

        Raises:
            ObjectChangedError: It is not the one expected, or too small.
        """
        if self._object_nbytes is None:
            self._object_nbytes = object_nbytes
        elif object_nbytes != self._object_nbytes:
            raise ObjectChangedError(
                f"{self._name} has {object_nbytes} bytes, and is to have {self._object_nbytes}"
            )
        if self._stop is None:
            self._stop = object_nbytes
        self._check_stop()

    def add(self, data: Buffer) -> None:
        """Take what came next.

        Raises:
            OSError: It is more than was asked for.
        """
        missing = self.missing_nbytes
        if missing is not None and len(data) > missing:
            raise OSError(
                f"{self._name}: {len(data) - missing} bytes more than were asked for came"
            )
        at_once = self._memory is None and self.nbytes == 0 and len(data) == missing
        if missing is None or at_once:
            # Not copied.
            self._parts.append(data)
        else:
            if self._memory is None:
                self._memory = memoryview(np.empty(self.nbytes + missing, np.uint8))  # type: ignore[arg-type]
                self._put(0, b"".join(self._parts))
                self._parts.clear()
            self._put(self.nbytes, data)
        self.nbytes += len(data)

    def end(self) -> None:
        """Note that the body ended where no size was known: that was the whole object."""
        if self._stop is None:
            self._stop = self._object_nbytes = self.nbytes

    def data(self) -> Buffer:
        """Return all of it."""
        if self._memory is not None:
            return self._memory
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _put(self, at: int, data: Buffer) -> None:
        assert self._memory is not None
        self._memory[at : at + len(data)] = data

    def _check_stop(self) -> None:
        if (
            self._object_nbytes is not None
            and self._stop is not None
            and self._stop > self._object_nbytes
        ):
            raise ObjectChangedError(
                f"{self._name} has {self._object_nbytes} bytes, and those up to {self._stop} were asked for"
            )
