"""Owns the measured tables: seeded, of promised files and row groups, written once by deltalake."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake

from perf.digits import draw_digits, read_mnist_train
from perf.shapes import FEATURES, SHAPES, Shape

__all__ = ["TableFacts", "data_files", "ensure_table", "facts_of", "write_table"]

SEED = 20_230_815
TOKENS_PER_ROW = 2_048
VOCABULARY = 50_257
IMAGE_NBYTES = (80_000, 140_000)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a table turned out to be, from its footers."""

    shape: str
    num_rows: int
    num_files: int
    num_row_groups: int
    max_rows_per_group: int
    nbytes: int
    """Bytes of all data files."""


def ensure_table(
    shape: Shape, folder: Path, *, scale: float = 1.0, mnist: Path | None = None
) -> Path:
    """The table of `shape` at `scale` under `folder`, written if it is not there."""
    source = "-idx" if mnist is not None and shape.name == "mnist" else ""
    path = folder / f"{shape.name}-{scale:g}{source}"
    if not (path / "complete").exists():
        shutil.rmtree(path, ignore_errors=True)
        write_table(shape, path, scale=scale, mnist=mnist)
        (path / "complete").touch()
    return path


def write_table(shape: Shape, path: Path, *, scale: float, mnist: Path | None = None) -> None:
    """Write `shape` to `path`, one commit and one file at a time, and check its files and row groups."""
    rows_in_file = shape.rows_in_file(scale)
    properties = WriterProperties(
        max_row_group_size=shape.rows_per_group,
        compression=shape.compression,  # type: ignore[arg-type]
    )
    for table in _tables(shape, rows_in_file, mnist):
        write_deltalake(
            path,
            table,
            mode="append",
            target_file_size=1 << 40,
            writer_properties=properties,
        )
    facts = facts_of(shape, path)
    groups = -(-rows_in_file // shape.rows_per_group) * shape.num_files
    if (facts.num_files, facts.num_row_groups) != (shape.num_files, groups):
        raise AssertionError(f"wanted {shape.num_files} files and {groups} row groups, got {facts}")


def data_files(path: Path) -> list[Path]:
    """The live data files of the table at `path`, oldest first."""
    actions = pa.table(DeltaTable(path).get_add_actions())
    ordered = actions.sort_by([("modification_time", "ascending"), ("path", "ascending")])
    return [path / name for name in ordered["path"].to_pylist()]


def facts_of(shape: Shape, path: Path) -> TableFacts:
    """Read the footers of the table at `path`."""
    files = data_files(path)
    footers = [pq.read_metadata(file) for file in files]
    groups = [
        footer.row_group(i).num_rows for footer in footers for i in range(footer.num_row_groups)
    ]
    return TableFacts(
        shape=shape.name,
        num_rows=sum(groups),
        num_files=len(files),
        num_row_groups=len(groups),
        max_rows_per_group=max(groups),
        nbytes=sum(file.stat().st_size for file in files),
    )


def _tables(shape: Shape, rows_in_file: int, mnist: Path | None) -> Iterator[pa.Table]:
    """The content of each file, in order."""
    if shape.name == "mnist" and mnist is not None:
        yield from _mnist_from_idx(mnist, shape, rows_in_file)
        return
    index = [known.name for known in SHAPES].index(shape.name)
    for file in range(shape.num_files):
        generator = np.random.default_rng([SEED, index, file])
        yield _GENERATORS[shape.name](generator, file * rows_in_file, rows_in_file)


def _images_table(first_id: int, images: np.ndarray, labels: np.ndarray) -> pa.Table:
    raw = np.ascontiguousarray(images)
    fixed = pa.Array.from_buffers(pa.binary(raw.shape[1]), len(raw), [None, pa.py_buffer(raw)])
    return pa.table(
        {
            "id": pa.array(np.arange(first_id, first_id + len(raw), dtype=np.int32)),
            "label": pa.array(labels.astype(np.float32)),
            "features": fixed.cast(pa.binary()),
        }
    )


def _mnist_from_idx(folder: Path, shape: Shape, rows_in_file: int) -> Iterator[pa.Table]:
    images, labels = read_mnist_train(folder)
    for file in range(shape.num_files):
        rows = slice(file * rows_in_file, (file + 1) * rows_in_file)
        yield _images_table(file * rows_in_file, images[rows], labels[rows])


def _mnist(generator: np.random.Generator, first_id: int, num_rows: int) -> pa.Table:
    labels = generator.integers(0, 10, num_rows)
    images = draw_digits(labels, seed=int(generator.integers(1 << 31)))
    return _images_table(first_id, images, labels)


def _tab(generator: np.random.Generator, first_id: int, num_rows: int) -> pa.Table:
    columns = {"id": pa.array(np.arange(first_id, first_id + num_rows, dtype=np.int64))}
    for name in (*FEATURES, "label"):
        columns[name] = pa.array(generator.standard_normal(num_rows, dtype=np.float32))
    return pa.table(columns)


def _tok(generator: np.random.Generator, first_id: int, num_rows: int) -> pa.Table:
    tokens = generator.integers(0, VOCABULARY, num_rows * TOKENS_PER_ROW, dtype=np.int32)
    offsets = np.arange(num_rows + 1, dtype=np.int32) * TOKENS_PER_ROW
    return pa.table(
        {
            "id": pa.array(np.arange(first_id, first_id + num_rows, dtype=np.int64)),
            "tokens": pa.ListArray.from_arrays(pa.array(offsets), pa.array(tokens)),
        }
    )


def _img(generator: np.random.Generator, first_id: int, num_rows: int) -> pa.Table:
    sizes = generator.integers(*IMAGE_NBYTES, num_rows)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    payload = generator.bytes(int(offsets[-1]))
    image = pa.Array.from_buffers(
        pa.binary(), num_rows, [None, pa.py_buffer(offsets), pa.py_buffer(payload)]
    )
    return pa.table(
        {
            "id": pa.array(np.arange(first_id, first_id + num_rows, dtype=np.int64)),
            "label": pa.array(generator.integers(0, 1_000, num_rows, dtype=np.int64)),
            "image": image,
        }
    )


_GENERATORS: dict[str, Callable[[np.random.Generator, int, int], pa.Table]] = {
    "mnist": _mnist,
    "tab": _tab,
    "tok": _tok,
    "img": _img,
}
