"""Owns what the answers of clients have in common: where a body lies in its object, and bodies that came whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deltastream.storage.transport import Buffer

__all__ = ["Placed", "WholeResponse", "modified_ms", "parse_content_range"]

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a body lies in its object."""

    start: int
    object_nbytes: int | None
    etag: str | None


@dataclass(slots=True)
class WholeResponse:
    """An answer of a client that gives whole bodies."""

    start: int
    data: Buffer = field(repr=False)
    object_nbytes: int | None = None
    etag: str | None = None

    async def read_some(self) -> Buffer:
        data, self.data = self.data, b""
        return data


def parse_content_range(header: str | None, num_body_bytes: int | None) -> tuple[int, int | None]:
    """Return start and object size that ``Content-Range: bytes 2-5/10`` names; without it the body is the object.

    Raises:
        OSError: It says something else.
    """
    if header is None:
        return 0, num_body_bytes
    unit, _, rest = header.strip().partition(" ")
    span, _, total = rest.partition("/")
    start, _, _ = span.partition("-")
    if unit != "bytes" or not start.isdigit() or not (total == "*" or total.isdigit()):
        raise OSError(f"the store answered Content-Range: {header!r}")
    return int(start), None if total == "*" else int(total)


def modified_ms(info: Mapping[str, Any]) -> int:
    """Return when an object was written, of what a file system of fsspec's says of it; 0 where it says nothing."""
    value = next((info[name] for name in _TIMES if info.get(name) is not None), 0)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        # Without a zone it is UTC, as every store means it.
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return int(value * 1000)
