"""Owns the way of a row group into its window: opened, decoded, its live rows placed."""

from __future__ import annotations

from deltastream.decode import Footer, RowGroupDecoder
from deltastream.fetch import DataFiles, Fetched
from deltastream.pipeline.plan import ReadPlan
from deltastream.pipeline.windows import C, WindowBuilder
from deltastream.plan import WindowSlice

__all__ = ["place_rows"]


def place_rows(
    builder: WindowBuilder[C],
    part: WindowSlice,
    start: int,
    plan: ReadPlan,
    footer: Footer,
    files: DataFiles,
    fetched: Fetched | None,
) -> None:
    """Decode `part` of a file and add its rows to the window, from its row `start` on. Blocks.

    Raises:
        ReadError: The file is not what the log promised.
    """
    context = files.context(part.file, stage="decode", row_group=part.row_group)
    # Its live rows, by their number in the row group; errors call them by it, too.
    numbers = footer.live_rows(part.row_group, part.start, part.stop)
    rows = slice(start, start + part.num_rows)
    with files.open(part.file, fetched) as source:
        decoder = RowGroupDecoder(
            source,
            footer,
            part.row_group,
            plan.partition(part.file),
            rows=numbers,
            context=context,
        )
        builder.add(decoder.decode, rows, context=context, row_numbers=numbers)
