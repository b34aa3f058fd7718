"""The face to Arrow: rows as a table or as record batches, in snapshot order. Needs no torch."""

from deltastream.arrow.read import iter_arrow, read_arrow

__all__ = ["iter_arrow", "read_arrow"]
