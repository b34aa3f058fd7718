"""Owns the limit: how fast pyarrow decodes the columns of a table in a pool of threads, results dropped.

No reader built on pyarrow can pass it. It is made as fast as pyarrow allows: row groups as units of work, a file kept
open by the thread that reads it, and, per shape, whichever of memory map or plain read, with or without
``pre_buffer``, is fastest (`VARIANTS`; `perf.local` tries them first and writes down all four).
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq

from perf.job import Options
from perf.tables import data_files

__all__ = ["VARIANTS", "decode_all", "variant_name"]

VARIANTS: tuple[Options, ...] = tuple(
    {"memory_map": memory_map, "pre_buffer": pre_buffer}
    for memory_map in (True, False)
    for pre_buffer in (True, False)
)


def variant_name(options: Options) -> str:
    """A variant in words."""
    way = "memory map" if options["memory_map"] else "read"
    return f"{way}, pre_buffer" if options["pre_buffer"] else way


def list_row_groups(path: Path) -> list[tuple[Path, int]]:
    """Every (file, row group) of the table at `path`, in order."""
    return [
        (file, group)
        for file in data_files(path)
        for group in range(pq.read_metadata(file).num_row_groups)
    ]


def decode_all(
    units: list[tuple[Path, int]],
    columns: list[str],
    *,
    memory_map: bool,
    pre_buffer: bool,
    num_threads: int,
) -> Iterator[int]:
    """Decode every unit once in `num_threads` threads; yields the rows of each as it is done."""
    todo: queue.SimpleQueue[tuple[Path, int]] = queue.SimpleQueue()
    for unit in units:
        todo.put(unit)
    done: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def work() -> None:
        opened: Path | None = None
        reader: pq.ParquetFile | None = None
        try:
            while True:
                try:
                    file, group = todo.get_nowait()
                except queue.Empty:
                    return
                if reader is None or file != opened:
                    if reader is not None:
                        reader.close()
                    reader = pq.ParquetFile(file, memory_map=memory_map, pre_buffer=pre_buffer)
                    opened = file
                table = reader.read_row_group(group, columns=columns, use_threads=False)
                done.put(table.num_rows)
        finally:
            if reader is not None:
                reader.close()
            done.put(None)

    with ThreadPoolExecutor(num_threads) as pool:
        threads = [pool.submit(work) for _ in range(num_threads)]
        running = num_threads
        while running:
            num_rows = done.get()
            if num_rows is None:
                running -= 1
            else:
                yield num_rows
        for thread in threads:
            thread.result()
