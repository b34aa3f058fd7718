"""Random columns of any type, through a real table, against the documented rules in plain Python."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from deltastream import FieldSpec, NullValueError, create_pytorch_dataloader
from tests.support.loaders import split_rows
from tests.support.random_columns import (
    NoRuleError,
    RandomColumn,
    columns,
    expected_rows,
    plain,
)
from tests.support.tables import write_files

MAX_ROWS = 24


def check(data: st.DataObject, num_workers: int) -> None:
    num_rows = data.draw(st.integers(1, MAX_ROWS))
    fields = [data.draw(columns(f"c{i}", num_rows)) for i in range(data.draw(st.integers(1, 3)))]
    # deltalake sees that a table needs the feature timestampNtz at the columns, not at what is in them.
    local = pa.nulls(num_rows, pa.timestamp("us"))
    arrays = {column.name: pa.array(column.values, column.type) for column in fields}
    table = pa.table({"id": range(num_rows), "local": local, **arrays})
    with tempfile.TemporaryDirectory() as folder:
        root = write_files(
            Path(folder) / "table", [table], row_group_rows=data.draw(st.sampled_from([5, 64]))
        )
        options: dict[str, Any] = {
            "batch_size": data.draw(st.integers(1, num_rows)),
            "shuffle": data.draw(st.booleans()),
            "drop_last": data.draw(st.booleans()),
            "shuffle_rows": data.draw(st.sampled_from([8, 1000])),
            "num_workers": num_workers,
        }
        specs = [FieldSpec("id"), *(column.spec for column in fields)]
        loader = create_pytorch_dataloader(root, fields=specs, **options)
        try:
            expected = expectation(fields, table)
        except NoRuleError:
            event("a null without a rule")
            if not options["drop_last"]:
                with pytest.raises(NullValueError, match=r"FieldSpec\('c.*=True|fill_null=VALUE"):
                    list(loader)
            return
        event("batches")
        seen: list[int] = []
        for batch in loader:
            ids = batch["id"].tolist()
            assert len(ids) == options["batch_size"] or len(seen) + len(ids) == num_rows
            for row, values in zip(ids, split_rows(batch, len(ids)), strict=True):
                assert plain(values) == {"id": row, **expected[row]}
            seen += ids
        left_out = num_rows % options["batch_size"] if options["drop_last"] else 0
        assert len(set(seen)) == len(seen) == num_rows - left_out


def expectation(fields: list[RandomColumn], table: pa.Table) -> list[dict[str, Any]]:
    wanted: dict[str, list[Any]] = {}
    for column in fields:
        wanted |= expected_rows(column, table.column(column.name).to_pylist())
    return [dict(zip(wanted, row, strict=True)) for row in zip(*wanted.values(), strict=True)]


@settings(max_examples=60)
@given(st.data())
def test_columns_of_any_type_become_what_the_rules_say(data: st.DataObject) -> None:
    check(data, 0)


@settings(max_examples=8)
@given(st.data())
def test_columns_of_any_type_arrive_from_a_worker_as_the_rules_say(data: st.DataObject) -> None:
    check(data, 1)
