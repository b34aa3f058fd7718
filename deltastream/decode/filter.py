"""Owns which rows of one file a filter drops: row groups that its footer decides are not decoded for it."""

from __future__ import annotations

from array import array

import numpy as np
import pyarrow as pa
from pyroaring import BitMap64

from deltastream.decode.footer import read_footer
from deltastream.decode.group_bounds import group_bounds
from deltastream.decode.projection import Projection
from deltastream.decode.row_group import RowGroupDecoder
from deltastream.errors import OptionError
from deltastream.predicate import Predicate, kept_rows, outcomes, paths_of, take_path
from deltastream.selection import RowSelection
from deltastream.types import FileContext

__all__ = ["filter_file"]


def filter_file(
    source: pa.NativeFile,
    predicate: Predicate,
    projection: Projection,
    partition: dict[str, pa.Scalar],
    *,
    num_records: int | None,
    deleted: RowSelection | None,
    context: FileContext,
) -> RowSelection:
    """Return the rows that a filter drops from a file, and with them those that are `deleted`.

    `projection` has the filter's columns. Reads the footer, and those columns of the row groups that neither their
    statistics nor the deletions decide.

    Raises:
        FileCorruptError: The bytes do not decode, or not into as many rows as the log says.
        OptionError: The filter is an expression of pyarrow's that fails for some value.
    """
    footer = read_footer(
        source,
        projection,
        num_records=num_records,
        context=context,
        selection=deleted,
        checks_statistics=True,
    )
    paths = paths_of(predicate)
    num_rows = footer.decoded.num_rows.tolist()
    bounds = group_bounds(footer, partition, paths)
    found = outcomes(predicate, bounds, len(num_rows))
    dropped = BitMap64()
    first = 0
    for group, rows in enumerate(num_rows):
        kept = None
        if found.true[group] and not found.all_pass[group] and footer.sizes.num_rows[group]:
            with RowGroupDecoder(
                source, footer, group, partition, rows=range(rows), context=context
            ) as decoder:
                columns = decoder.decode()
            values = {path: take_path(columns[path[0]], path) for path in paths}
            try:
                kept = kept_rows(predicate, values, rows)
            except pa.ArrowException as error:
                # A pyarrow expression may fail for some values: a cast of text, a division by zero.
                raise OptionError(
                    f"{context}, row group {group}: the filter fails for its values: {error}"
                ) from error
        if not found.true[group] or (kept is not None and not kept.any()):
            dropped.add_range(first, first + rows)
        elif kept is not None:
            gone = (np.flatnonzero(~kept) + first).astype(np.uint64)
            # From an array: four times as fast as from NumPy's.
            dropped |= BitMap64(array("Q", gone.tobytes()))
        first += rows
    selection = RowSelection(dropped)
    return selection if deleted is None else selection.union(deleted)
