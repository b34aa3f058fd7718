"""Tables that deltalake writes at random are read as they were written, and as independent readers read them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import deltalake
import pyarrow as pa
from hypothesis import given, settings

import deltastream
from deltastream import DeltaDataset, FieldSpec, FileMissingError
from tests.support.histories import History, Plan, plans, write

try:
    import delta_kernel_rust_sharing_wrapper as kernel
except ImportError:  # there is a wheel for Linux on x86 only
    kernel = None

# 500 under stress, a tenth else.
NUM_TABLES = settings.default.max_examples * 5 // 3  # type: ignore[union-attr]


@settings(max_examples=NUM_TABLES)
@given(plan=plans())
def test_a_random_table_is_read_as_it_was_written(plan: Plan) -> None:
    with TemporaryDirectory() as folder:
        history = write(plan, Path(folder))
        for version, expected in history.versions.items():
            try:
                found = deltastream.read_arrow(history.root, version=version)
            except FileMissingError:
                assert version < history.vacuumed_before
                continue
            assert by_id(found) == {n: as_text(row) for n, row in expected.items()}, version
        # deltalake reads an empty partition value of text as empty: by the protocol it is null.
        check_latest(history, without_deltalake="text" in plan.partitions)


def check_latest(history: History, *, without_deltalake: bool) -> None:
    found = deltastream.read_arrow(history.root)
    table = deltalake.DeltaTable(history.root)
    assert found.column_names == [column.name for column in table.schema().fields]
    assert set(found.column_names) == set(history.columns)
    for name, rows in readers(history.root, without_deltalake=without_deltalake).items():
        assert by_id(rows.select(found.column_names)) == by_id(found), name
    for column in found.column_names:
        # Of some files it is all that is wanted, and they do not have it.
        alone = deltastream.read_arrow(history.root, columns=[column])
        assert repr(alone[column].to_pylist()) == repr(found[column].to_pylist()), column
    dataset = DeltaDataset(history.root, [FieldSpec("id")], batch_size=8, shuffle=True)
    numbers = [number for batch in dataset for number in batch["id"].tolist()]
    assert sorted(numbers) == sorted(found.column("id").to_pylist())


def readers(root: Path, *, without_deltalake: bool) -> dict[str, pa.Table]:
    """The latest version as others read it."""
    found = {}
    if not without_deltalake:
        found["deltalake"] = pa.table(deltalake.DeltaTable(root).scan())
    if kernel is not None:
        uri = root.as_uri()
        engine = kernel.PythonInterface(uri)
        scan = kernel.ScanBuilder(kernel.Table(uri).snapshot(engine)).build()
        found["kernel"] = scan.execute(engine).read_all()
    return found


def by_id(rows: pa.Table) -> dict[int, str]:
    found = {row["id"]: as_text(row) for row in rows.to_pylist()}
    assert len(found) == rows.num_rows, "an id twice"
    return found


def as_text(row: dict[str, Any]) -> str:
    # NaN is no equal of itself, and -0.0 is one of 0.0.
    return repr(sorted(row.items()))
