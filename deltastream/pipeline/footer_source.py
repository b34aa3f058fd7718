"""Owns where footers come from: those that were kept, or the files, with which of their rows live."""

from __future__ import annotations

from collections.abc import Sequence

from deltastream.decode import Footer, read_footer
from deltastream.engine.pool import DecodePool
from deltastream.errors import FileCorruptError
from deltastream.fetch import DataFiles, Fetched
from deltastream.pipeline.footer_cache import footer_nbytes
from deltastream.pipeline.plan import ReadPlan
from deltastream.pipeline.selector import Prepared, Selector
from deltastream.pipeline.tails import fetch_tails

__all__ = ["FooterSource"]


class FooterSource:
    """Reads the footers of a plan's files in the decode pool, and keeps them for later epochs."""

    def __init__(
        self, plan: ReadPlan, files: DataFiles, selector: Selector, pool: DecodePool
    ) -> None:
        self._plan = plan
        self._kept = plan.footers
        self._files = files
        self._selector = selector
        self._pool = pool
        self.num_read = self.nbytes_read = 0

    async def read(self, files: Sequence[int], *, afresh: bool = False) -> list[Footer]:
        """Return the footers of `files`, in order, in one job where they were not kept.

        `afresh`: what is fetched for them comes from the store, whatever a disk cache has.

        Raises:
            ReadError: One of them is not what the log promised.
        """
        kept = {file: self._kept.get(file) for file in files}
        found = {file: footer for file, footer in kept.items() if footer is not None}
        new = [file for file in files if file not in found]
        if new:
            tails = await fetch_tails(self._files, new, stage="footer", afresh=afresh)
            prepared = await self._selector.prepare(new, tails, self._pool, afresh=afresh)
            read = await self._pool.run(
                lambda: [self._footer(file, prepared, tails.get(file)) for file in new]
            )
            found.update(zip(new, read, strict=True))
            self.num_read += len(new)
            self.nbytes_read += sum(map(footer_nbytes, read))
        return [found[file] for file in files]

    def _footer(self, file: int, prepared: Prepared, tail: Fetched | None) -> Footer:
        selection = self._selector.select(file, prepared)
        context = self._files.context(file, stage="footer")
        with self._files.open(file, tail) as source:
            footer = read_footer(
                source,
                self._plan.projection,
                num_records=int(self._plan.num_records[file]),
                context=context,
                selection=selection,
                checks_chunks=self._files.is_remote,
            )
        live_rows = int(footer.sizes.num_rows.sum())
        if live_rows != self._plan.live_rows[file]:
            raise FileCorruptError(
                f"{context}: {live_rows} rows live, {self._plan.live_rows[file]} were counted; the order would shift"
            )
        self._kept.put(file, footer)
        return footer
