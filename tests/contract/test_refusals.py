"""What is wrong before anything is read is said when the loader is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import deltastream
from deltastream import FieldSpec, OptionError
from deltastream import create_pytorch_dataloader as loader
from tests.support.logs import LogFolder, metadata, protocol
from tests.support.tables import write_numbered


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_numbered(tmp_path / "table", [5000] * 4, row_group_rows=2500)


def test_no_table_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(deltastream.TableNotFoundError, match=str(tmp_path)):
        loader(tmp_path / "nothing")
    with pytest.raises(deltastream.TableNotFoundError, match=str(tmp_path)):
        loader(tmp_path)


def test_a_version_that_never_was_is_said_so(table: Path) -> None:
    with pytest.raises(deltastream.VersionNotFoundError, match=r"99"):
        loader(table, version=99)


def test_a_time_before_the_table_is_said_so(table: Path) -> None:
    with pytest.raises(deltastream.VersionNotFoundError):
        loader(table, timestamp="2001-01-01")


def test_a_torn_commit_is_said_so(table: Path) -> None:
    commit = table / "_delta_log" / f"{3:020d}.json"
    commit.write_text(commit.read_text()[:-30])
    with pytest.raises(deltastream.LogCorruptError, match=commit.name):
        loader(table)


def test_a_column_that_is_not_there_is_named_with_those_that_are(table: Path) -> None:
    with pytest.raises(
        deltastream.SchemaError, match=r"no column 'y' in the table, .*'id', 'x', 'text'"
    ):
        loader(table, fields=[FieldSpec("y")])


def test_a_feature_that_is_not_read_is_named(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path / "table")
    folder.commit(0, protocol(3, ["someFutureFeature"]), metadata())
    with pytest.raises(deltastream.UnsupportedFeatureError, match="someFutureFeature"):
        loader(folder.root)


def test_a_store_that_nobody_knows_is_named() -> None:
    with pytest.raises(deltastream.OptionError, match="nonsense:// is no protocol"):
        loader("nonsense://host/table")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"batch_size": 2.5}, "batch_size must be an integer of at least 1"),
        ({"batch_size": True}, "batch_size must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"seed": 1 << 63}, "seed must be below 2"),
        ({"lanes": 0}, "lanes must be"),
        ({"lanes": "many"}, "lanes must be"),
        ({"memory_budget": 0}, "memory_budget must be an integer of at least 1"),
        ({"decode_threads": 0}, "decode_threads must be an integer of at least 1"),
        ({"shuffle_rows": 0}, "shuffle_rows must be"),
        ({"fields": []}, "fields is empty"),
        (
            {"fields": [FieldSpec("id"), FieldSpec("x", target_name="id")]},
            "two fields are named 'id'",
        ),
        ({"version": 1, "timestamp": "2024-01-01"}, "version and timestamp exclude each other"),
        ({"version": -1}, "version"),
        ({"partition_filter": [("id", "=", 1)]}, "'id', which is no partition column"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_when_the_loader_is_made(
    table: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        loader(table, **options)


def test_windows_that_do_not_fit_the_budget_are_refused_with_the_figures(table: Path) -> None:
    with pytest.raises(
        deltastream.MemoryBudgetError, match=r"2 open lanes of 2.*need 480000 bytes"
    ):
        list(
            loader(
                table,
                fields=[FieldSpec("id"), FieldSpec("x")],
                shuffle=True,
                lanes=2,
                memory_budget=400_000,
            )
        )
