"""Errors that come from workers of torch's own loaders, told without keeping the workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["raises_in_worker"]


@contextmanager
def raises_in_worker(
    error: type[BaseException] | tuple[type[BaseException], ...], *, match: str
) -> Iterator[None]:
    """As `pytest.raises`.

    torch raises such an error in a frame that keeps it: a cycle with the iterator in it. Left to the collector, an
    iterator waits 5 s for each of its workers, whatever the dataset.
    """
    with pytest.raises(error, match=match) as raised:
        yield
    raised.value.__traceback__ = None
    del raised
