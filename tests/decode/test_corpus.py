"""The data files of every table of the corpus, read one by one: real files that other writers made."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deltastream.decode import Projection, read_footer
from deltastream.decode.arrow_types import plain_type
from deltastream.errors import DeltaStreamError
from deltastream.types import FileContext, Snapshot
from tests.support.decoding import decode_row_group
from tests.support.logs import read


def decoded(root: Path, snapshot: Snapshot) -> pa.Table:
    """Every row of the live files, deleted ones among them."""
    schema = pa.schema([pa.field(f.name, plain_type(f.type)) for f in snapshot.schema])
    projection = Projection(
        snapshot.schema,
        frozenset(snapshot.partition_columns),
        column_mapping=snapshot.column_mapping,
    )
    tables = [schema.empty_table()]
    for file, path in enumerate(snapshot.files["path"].to_pylist()):
        context = FileContext(str(root), snapshot.version, path, None, "decode")
        partition = {name: snapshot.partitions[name][file] for name in snapshot.partition_columns}
        with pa.memory_map(str(root / path.removeprefix("file:"))) as source:
            footer = read_footer(source, projection, num_records=None, context=context)
            for row_group, num_rows in enumerate(footer.sizes.num_rows.tolist()):
                columns = decode_row_group(
                    source, footer, row_group, partition, rows=range(num_rows), context=context
                )
                tables.append(pa.table(columns, schema))
    return pa.concat_tables(tables)


def test_the_files_of_every_table_hold_its_content(corpus: Path) -> None:
    spec = importlib.util.spec_from_file_location("compare", corpus / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    compare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare)

    wrong: list[tuple[str, Any]] = []
    num_equal = 0
    for table in json.loads((corpus / "manifest.json").read_text())["tables"]:
        if table["expected"]["outcome"] != "rows":
            continue
        root = corpus / table["path"]
        try:
            snapshot = read(root)
        except DeltaStreamError:
            # Whether it may be refused is for the tests of the log.
            continue
        if snapshot.files["deletion_vector"].null_count < snapshot.files.num_rows:
            continue
        if any("://" in path for path in snapshot.files["path"].to_pylist()):
            continue
        try:
            found = decoded(root, snapshot)
        except DeltaStreamError as error:
            wrong.append((table["name"], error))
            continue
        # Which columns a table has is for the tests of the log, too.
        content = pq.read_table(corpus / table["expected"]["content"]).select(found.column_names)
        if compare.canon_rows(found) == compare.canon_rows(content):
            num_equal += 1
        else:
            wrong.append((table["name"], "other rows"))
    assert not wrong
    assert num_equal > 130
