"""Owns what is known of the columns of a filter in each row group of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from deltastream.decode.footer import Footer
from deltastream.decode.statistics import row_group_statistics
from deltastream.predicate import Bounds, Path

__all__ = ["group_bounds"]


def group_bounds(
    footer: Footer, partition: Mapping[str, pa.Scalar], paths: Sequence[Path]
) -> dict[Path, Bounds]:
    """Return the bounds of some columns in each row group: partition values are exact, and so are missing columns."""
    num_groups = footer.metadata.num_row_groups
    bounds = {}
    for path in paths:
        if path[0] in partition:
            bounds[path] = Bounds.of_values(pa.repeat(partition[path[0]], num_groups))
            continue
        statistics = row_group_statistics(footer, path)
        if path[0] in footer.columns.found:
            bounds[path] = Bounds.of_statistics(statistics)
        else:
            # A column added to the table after this file was written.
            bounds[path] = Bounds.of_values(pa.nulls(num_groups, statistics.type.field("min").type))
    return bounds
