"""Another process appends to the table, optimizes and vacuums it, while it is read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deltastream import DeltaDataLoader, FieldSpec, FileMissingError, create_pytorch_dataloader
from tests.support.loaders import batch_ids, row_ids
from tests.support.tables import data_files, write_numbered

SIZES = (310, 250, 400, 1, 130, 512, 64)
ROOT = Path(__file__).parents[2]

WRITER = """
import sys
import deltalake
from tests.support.tables import numbered, write_files
for command in sys.stdin:
    table = deltalake.DeltaTable(sys.argv[1])
    match command.strip():
        case "append":
            write_files(sys.argv[1], [numbered(0, 50)])
        case "optimize":
            assert table.optimize.compact()["numFilesRemoved"] > 1
        case "delete":
            assert table.delete("id < 100")["num_deleted_rows"] > 0
        case "vacuum":
            assert table.vacuum(0, enforce_retention_duration=False, dry_run=False)
    print("done", flush=True)
"""

WORKERS = [
    pytest.param({}, id="no workers"),
    pytest.param({"num_workers": 2}, id="workers"),
    pytest.param({"num_workers": 2, "persistent_workers": True}, id="persistent"),
]


class Writer:
    """A process that writes what it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, command: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(command, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "done\n"


@contextmanager
def writer(table: Path) -> Iterator[Writer]:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, table],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Writer(process)
        finally:
            # Forked workers hold its pipes open, so that it would not see their end.
            process.kill()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_numbered(tmp_path / "table", SIZES)


def loader(root: Path, **options: Any) -> DeltaDataLoader:
    arguments = {"batch_size": 32, "lanes": 12, "shuffle": True, "shuffle_rows": 200} | options
    return create_pytorch_dataloader(root, fields=[FieldSpec("id")], **arguments)


@pytest.mark.parametrize("options", WORKERS)
def test_appending_optimizing_and_deleting_change_nothing(
    table: Path, options: dict[str, Any]
) -> None:
    # Little is read ahead, so that most of it is read after the writes.
    tight = options | {"shuffle_nbytes": 2048, "memory_budget": 1 << 17}
    alone = loader(table, **tight)
    expected = [batch_ids(alone) for _ in range(3)]
    one = loader(table, **tight)
    commands = iter(["append", "optimize", "append", "delete", "append", "optimize"])
    with writer(table) as write:
        found: list[list[int]] = []
        for number, batch in enumerate(one):
            found.append(batch["id"].tolist())
            if number % 8 == 3 and (command := next(commands, None)):
                write(command)
        assert next(commands, None) is None
        assert found == expected[0]
        write("append")
        assert batch_ids(one) == expected[1]
        # A training that starts again goes on with the version that it had.
        again = loader(table, **tight)
        assert again.dataset.version > len(SIZES)
        again.load_state_dict(one.state_dict())
        assert batch_ids(again) == expected[2]


@pytest.mark.parametrize("options", WORKERS)
def test_a_vacuum_is_an_error_that_names_file_version_and_remedy(
    table: Path, options: dict[str, Any]
) -> None:
    one = loader(table, **options)
    before = row_ids(one)
    assert sorted(before) == list(range(sum(SIZES)))
    old = "|".join(re.escape(path.name) for path in data_files(table))
    state = one.state_dict()
    with writer(table) as write:
        write("optimize")
        write("vacuum")
    message = rf"(?s)version 6, file '({old})'.*the file is gone; after a VACUUM.*"
    with pytest.raises(
        FileMissingError, match=message + "open a newer version, or restore the file"
    ):
        batch_ids(one)
    # And so for one that starts again; without the state it reads the newer version.
    again = loader(table, **options)
    assert sorted(row_ids(again)) == list(range(sum(SIZES)))
    again.load_state_dict(state)
    with pytest.raises(FileMissingError, match=r"version 6, file .* after a VACUUM"):
        batch_ids(again)
