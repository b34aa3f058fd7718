"""Owns what a caller does about a footer that could not be fetched: the first failure is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deltastream.fetch import DataFiles, Fetched

__all__ = ["fetch_tails"]


async def fetch_tails(
    files: DataFiles, some: Sequence[int], *, stage: str, afresh: bool = False
) -> Mapping[int, Fetched]:
    """Return the bytes that the footers of some files lie in; nothing for local files.

    Raises:
        ReadError: One of them is missing, or is not what the log promised.
    """
    found = {}
    tails = await files.fetch_tails(some, stage=stage, afresh=afresh)
    for file in some:
        if (tail := tails.get(file)) is not None:
            if not isinstance(tail, Fetched):
                raise tail
            found[file] = tail
    return found
