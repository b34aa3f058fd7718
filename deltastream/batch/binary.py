"""Owns the list that a field of binary values of several lengths is."""

from __future__ import annotations

from typing import Any

__all__ = ["BinaryValues"]


class BinaryValues(list[Any]):
    """A list of read-only memoryviews, or None for nulls; each views decoded memory, and ``bytes(value)`` copies it.

    torch's ``pin_memory`` would take a memoryview for a sequence of integers; it asks an object first.
    """

    __slots__ = ()

    def pin_memory(self, device: object = None) -> BinaryValues:
        """Return itself: binary values stay where they are."""
        return self
