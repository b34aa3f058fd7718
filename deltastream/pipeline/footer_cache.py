"""Owns the footers that later epochs use again."""

from __future__ import annotations

from deltastream.decode import Footer
from deltastream.options import FOOTER_CACHE_NBYTES

__all__ = ["FooterCache", "footer_nbytes"]

_CHUNK_NBYTES = 1400
"""About what a column chunk's metadata takes."""
_DROPPED_NBYTES = 8
"""At most what a dropped row takes in a bitmap."""


class FooterCache:
    """The footers of one version's files, with the rows that live: they never change.

    Holds 32 MiB, about; what comes after that is not kept, since every epoch needs all files. `get` and `put` may be
    called by any thread.
    """

    def __init__(self) -> None:
        self._footers: dict[int, Footer] = {}
        self._nbytes = 0

    def __repr__(self) -> str:
        return f"<FooterCache {len(self._footers)} footers, about {self._nbytes} bytes>"

    def __reduce__(self) -> tuple[type[FooterCache], tuple[()]]:
        # To another process it goes empty: footers do not pickle fast, and few of them are read there.
        return FooterCache, ()

    def get(self, file: int) -> Footer | None:
        return self._footers.get(file)

    def put(self, file: int, footer: Footer) -> None:
        nbytes = footer_nbytes(footer)
        if self._nbytes + nbytes <= FOOTER_CACHE_NBYTES and file not in self._footers:
            self._nbytes += nbytes
            self._footers[file] = footer


def footer_nbytes(footer: Footer) -> int:
    """Return about how many bytes a footer takes, with the rows that live."""
    chunks: int = footer.metadata.num_row_groups * footer.metadata.num_columns
    dropped = 0 if footer.selection is None else footer.selection.num_dropped
    return chunks * _CHUNK_NBYTES + dropped * _DROPPED_NBYTES
