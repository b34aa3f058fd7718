"""Owns the price of deletion vectors: a table against the same with some rows of every file deleted, interleaved.

The second is a table of its own over the data files of the first, which its log names by absolute path; deltalake
writes no deletion vectors.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyroaring import BitMap64
from rich.console import Console

from perf.job import Job, Options
from perf.local import read_once
from perf.report import Report, number
from perf.rounds import Entry
from perf.shapes import Shape
from perf.tables import SEED, data_files

__all__ = ["run", "write_deleted"]

_HEAD = ("", "rows/s without", "rows/s with", "ratio", "min to max", "ratio of rows a CPU second")
_MAGIC = 1_681_511_377
_UUID = "00000000-0000-0000-0000-000000000000"
_UUID_Z85 = "0" * 20


def run(
    shape: Shape, table: Path, *, share: float, repeats: int, min_s: float, extra: Options
) -> Report:
    """Measure `table` with and without a `share` of its rows deleted."""
    console = Console(stderr=True)
    deleted = write_deleted(table, table.with_name(f"{table.name}-deleted-{share:g}"), share=share)
    read_once(table)
    pairs = [
        (
            Entry(name, _job(shape, table, options, min_s)),
            Entry(name, _job(shape, deleted, options, min_s)),
        )
        for name, options in _variants(shape, extra)
    ]
    for round_number in range(repeats):
        for without, with_vectors in pairs:
            # Who is first changes, for the machine may be slower from here on.
            order = (without, with_vectors) if round_number % 2 == 0 else (with_vectors, without)
            for entry in order:
                entry.run()
            ratio = with_vectors.ratios_to(without)[-1]
            console.print(f"{shape.name} {round_number + 1}/{repeats} {without.name}: {ratio:.3f}")
    title = f"{shape.name}, {share:.1%} of the rows of every file deleted: {shape.about}"
    figures = [
        {
            "name": without.name,
            "ratios": with_vectors.ratios_to(without),
            "without": [dataclasses.asdict(done) for done in without.rounds],
            "with": [dataclasses.asdict(done) for done in with_vectors.rounds],
        }
        for without, with_vectors in pairs
    ]
    return Report(title, _HEAD, [_row(*pair) for pair in pairs], figures)


def write_deleted(table: Path, path: Path, *, share: float) -> Path:
    """Write a table over the data files of `table` of which a `share` of the rows is deleted, at random."""
    log = path / "_delta_log" / f"{0:020d}.json"
    if log.exists():
        return path
    log.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(SEED)
    metadata = {
        "id": path.name,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": DeltaTable(table).schema().to_json(),
        "partitionColumns": [],
        "configuration": {"delta.enableDeletionVectors": "true"},
    }
    features = ["deletionVectors"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
    protocol |= {"readerFeatures": features, "writerFeatures": features}
    actions: list[dict[str, object]] = [{"protocol": protocol}, {"metaData": metadata}]
    data = b"\1"
    for number_of_file, file in enumerate(data_files(table)):
        num_rows = pq.read_metadata(file).num_rows
        rows = generator.choice(num_rows, int(num_rows * share), replace=False)
        bitmap = _MAGIC.to_bytes(4, "little") + BitMap64(rows.tolist()).serialize()
        add = {
            "path": "file://" + quote(str(file.absolute())),
            "partitionValues": {},
            "size": file.stat().st_size,
            "modificationTime": number_of_file,
            "dataChange": True,
            "stats": json.dumps({"numRecords": num_rows, "tightBounds": False}),
            "deletionVector": {
                "storageType": "u",
                "pathOrInlineDv": _UUID_Z85,
                "offset": len(data),
                "sizeInBytes": len(bitmap),
                "cardinality": len(rows),
            },
        }
        actions.append({"add": add})
        data += len(bitmap).to_bytes(4, "big") + bitmap + zlib.crc32(bitmap).to_bytes(4, "big")
    (path / f"deletion_vector_{_UUID}.bin").write_bytes(data)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    return path


def _variants(shape: Shape, extra: Options) -> list[tuple[str, Options]]:
    forms: dict[str, Options] = {"": {}}
    if shape.name == "tab":
        forms = {"": {"stacked": True}, ", columns apart": {}}
    return [
        (f"deltastream{form}{', shuffled' * shuffle}", {**options, "shuffle": shuffle, **extra})
        for form, options in forms.items()
        for shuffle in (False, True)
    ]


def _job(shape: Shape, table: Path, options: Options, min_s: float) -> Job:
    return Job(
        contestant="deltastream",
        path=str(table.absolute()),
        columns=shape.columns,
        id_column=shape.id_column,
        batch_size=shape.batch_size,
        options=options,
        min_s=min_s,
    )


def _row(without: Entry, with_vectors: Entry) -> Sequence[str]:
    ratios = with_vectors.ratios_to(without)
    pairs = zip(with_vectors.rounds, without.rounds, strict=True)
    cpu = statistics.median(b.cpu_s_per_row / a.cpu_s_per_row for a, b in pairs)
    return [
        without.name,
        number(without.median_of_rates()),
        number(with_vectors.median_of_rates()),
        f"{statistics.median(ratios):.3f}",
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        f"{cpu:.3f}",
    ]
