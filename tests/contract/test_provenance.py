"""Where the rows of a batch come from: followed back into the files it gives the batch, and it needs no reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from deltastream import (
    DeltaDataLoader,
    DeltaDataset,
    FieldSpec,
    OptionError,
    create_pytorch_dataloader,
)
from deltastream.dataset.provenance import Provenance
from deltastream.decode import RowGroupDecoder
from tests.support.commands import run_command
from tests.support.tables import write_files
from tests.support.vectors import numbered_files, write_files_with_vectors

SIZES = [310, 250, 400, 1, 130, 512, 64]
DELETED = [[0, 5, 63, 64, 299], None, list(range(64, 128)), [], None, list(range(0, 512, 3)), None]

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create:UserWarning", "ignore:.*do not divide:UserWarning"
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("provenance") / "table"
    return write_files_with_vectors(root, numbered_files(SIZES, DELETED, row_group_rows=50))


def loader(root: Path, **options: Any) -> DeltaDataLoader:
    arguments = {"batch_size": 32, "lanes": 4, "shuffle": True, "shuffle_rows": 120} | options
    return create_pytorch_dataloader(
        root, fields=[FieldSpec("id")], provenance=True, version=0, **arguments
    )


def ids_at(root: Path, found: Provenance) -> list[int]:
    """The ids that the files have there."""
    files = [pq.ParquetFile(root / path) for path in found.files]
    return [
        files[file].read_row_group(group, ["id"])["id"][row].as_py()
        for file, group, row in zip(found.file, found.row_group, found.row, strict=True)
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": False, "lanes": 1},
        {"filter": "id > 200"},
        {"num_workers": 2},
        {"batch_size": 300},
    ],
    ids=str,
)
def test_a_batch_is_what_its_provenance_says(table: Path, options: dict[str, Any]) -> None:
    one = loader(table, **options)
    for number, batch in enumerate(one):
        found = batch["provenance"]
        assert (found.version, found.epoch, found.microbatch) == (0, 0, number)
        assert len(found) == len(batch["id"])
        assert ids_at(table, found) == batch["id"].tolist()
        assert sorted(set(found.file.tolist())) == list(range(len(found.files)))


def test_padding_repeats_the_provenance_of_the_rows_it_repeats(table: Path) -> None:
    for rank in range(3):
        one = loader(table, use_fixed_rank=True, rank=rank, num_ranks=3)
        for batch in one:
            found = batch["provenance"]
            assert len(batch["id"]) == 32
            assert ids_at(table, found) == batch["id"].tolist()
            again = one.dataset.locate(found.microbatch, epoch=found.epoch)
            assert ids_at(table, again) == batch["id"].tolist()


@pytest.mark.parametrize("shuffle", [True, False])
def test_any_batch_can_be_located_without_decoding_a_row(
    table: Path, shuffle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = loader(table, shuffle=shuffle)
    batches = [batch["provenance"] for _ in range(2) for batch in one]

    def refuse(*_: object) -> None:
        raise AssertionError("a row was decoded")

    monkeypatch.setattr(RowGroupDecoder, "decode", refuse)
    other = loader(table, shuffle=shuffle).dataset
    for expected in batches:
        found = other.locate(expected.microbatch, epoch=expected.epoch)
        assert found.files == expected.files
        for name in ("file", "row_group", "row"):
            assert np.array_equal(getattr(found, name), getattr(expected, name))
    with pytest.raises(OptionError, match=r"an epoch has \d+ microbatches"):
        other.locate(len(other))
    with pytest.raises(OptionError, match="microbatch must be an integer of at least 0, got '3'"):
        other.locate("3")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="epoch must be below"):
        other.locate(0, epoch=10**23)


def assert_located(dataset: DeltaDataset, expected: Provenance) -> None:
    found = dataset.locate(expected.microbatch, epoch=expected.epoch)
    assert [found.files[file] for file in found.file] == [
        expected.files[file] for file in expected.file
    ]
    assert np.array_equal(found.row_group, expected.row_group)
    assert np.array_equal(found.row, expected.row)


@pytest.mark.parametrize("num_workers", [0, 2, 3])
def test_lanes_that_workers_chose_are_those_that_are_located(table: Path, num_workers: int) -> None:
    one = loader(table, shuffle=False, lanes="auto", num_workers=num_workers)
    found = [batch["provenance"] for batch in one]
    other = loader(table, shuffle=False, lanes="auto", num_workers=num_workers)
    for expected in (found[1], found[7], found[-1]):
        assert_located(one.dataset, expected)
        assert_located(other.dataset, expected)
    one.set_epoch(5)
    assert_located(one.dataset, found[1])
    # Workers of torch's own loader tell, too.
    dataset = loader(table, shuffle=False, lanes="auto").dataset
    batches = list(DataLoader(dataset, batch_size=None, num_workers=num_workers))
    assert_located(dataset, batches[1]["provenance"])


def test_without_a_number_the_next_batch_is_located(table: Path) -> None:
    one = loader(table)
    batches = iter(one)
    for _ in range(7):
        next(batches)
    found = one.dataset.locate()
    assert ids_at(table, found) == next(batches)["id"].tolist()


def test_the_command_line_locates_the_batch_of_a_state(table: Path, tmp_path: Path) -> None:
    one = loader(table, filter="id > 200")
    batches = iter(one)
    for _ in range(5):
        next(batches)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(one.state_dict()))
    expected = next(batches)["provenance"]
    ran = run_command("locate", state, "--filter", "id > 200", "--json")
    document = ran.document
    assert (document["version"], document["epoch"], document["microbatch"]) == (0, 0, 5)
    rows = [
        (part["file"], part["row_group"], row) for part in document["parts"] for row in part["rows"]
    ]
    assert sorted(rows) == sorted(
        zip(
            [expected.files[i] for i in expected.file],
            expected.row_group.tolist(),
            expected.row.tolist(),
            strict=True,
        )
    )
    assert document["order"] == [
        [expected.files.index(expected.files[f]), g, r]
        for f, g, r in zip(
            expected.file.tolist(), expected.row_group.tolist(), expected.row.tolist(), strict=True
        )
    ]
    text = run_command("locate", state, "--filter", "id > 200", "--microbatch", 3)
    assert (text.code, text.err) == (0, "")
    assert "microbatch 3 of epoch 0" in text.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "does not fit this loader: filter: the state has"),
        (
            ("--filter", "id > 200", "--microbatch", "99999"),
            "counted from 0: there is no number 99999",
        ),
    ],
)
def test_the_command_line_refuses_what_does_not_fit(
    table: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps(loader(table, filter="id > 200").state_dict()))
    ran = run_command("locate", state, *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{")
    ran = run_command("locate", state)
    assert ran.code == 2
    assert "is no state of a loader" in ran.err
    assert run_command("locate", tmp_path / "none.json").code == 2
    state.write_text("[" * 100_000)
    assert "is no state of a loader" in run_command("locate", state).err


def test_the_command_line_locates_the_padded_batch_of_some_partitions(tmp_path: Path) -> None:
    rows = pa.table({"id": range(100), "a,b": range(100), "p": ["x", "y"] * 50})
    root = write_files(tmp_path / "table", [rows], partition_by=["p"])
    wanted: Any = [("p", "=", "x")]
    one = create_pytorch_dataloader(
        root,
        fields=[FieldSpec("a,b")],
        partition_filter=wanted,
        version=0,
        batch_size=32,
        provenance=True,
        use_fixed_rank=True,
        rank=1,
        num_ranks=2,
    )
    (batch,) = one
    state = tmp_path / "state.json"
    state.write_text(json.dumps(one.state_dict()))
    arguments = ["locate", state, "--columns", "`a,b`", "--microbatch", 1, "--epoch", 0, "--json"]
    assert "partition_filter: the state has" in run_command(*arguments).err
    arguments += ["--partition-filter", repr(wanted)]
    padded = run_command(*arguments, "--pad").document
    found = batch["provenance"]
    assert [place[2] for place in padded["order"]] == found.row.tolist()
    assert (padded["num_rows"], run_command(*arguments).document["num_rows"]) == (32, 18)
    assert "takes a list of tuples" in run_command(*arguments, "--partition-filter", "p=").err


def test_provenance_needs_a_dict_and_a_free_name(table: Path) -> None:
    with pytest.raises(OptionError, match="collate_fn"):
        loader(table, collate_fn=list)
    with pytest.raises(OptionError, match="'provenance' to a batch"):
        create_pytorch_dataloader(
            table, fields=[FieldSpec("id", target_name="provenance")], provenance=True
        )
