"""`plan` says before a run what the loader then does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest

from deltastream import DeltaDataset
from tests.support.commands import Ran, run_command
from tests.support.logs import LogFolder, add, metadata, protocol
from tests.support.tables import numbered, write_files, write_numbered

SIZES = (310, 250, 400, 1, 130, 512, 64)
NUM_ROWS = sum(SIZES)
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("plan") / "table", SIZES)


def planned(*arguments: object) -> dict[str, Any]:
    ran = run_command("plan", *arguments, "--json")
    assert (ran.code, ran.err) == (0, "")
    return ran.document


def warned(document: dict[str, Any], kind: str) -> str:
    """The one warning of a kind."""
    (message,) = (one["message"] for one in document["warnings"] if one["kind"] == kind)
    return str(message)


ASKED = ("--world-size", 4, "--workers", 2, "--batch-size", 32, "--shuffle", "--lanes", 12)


def golden(name: str, ran: Ran, table: Path) -> None:
    """Compare with what is kept, but for the path and the table's id."""
    found = ran.out.replace(str(table), "TABLE")
    found = found.replace(str(deltalake.DeltaTable(table).metadata().id), "ID")
    found = "".join(line for line in found.splitlines(keepends=True) if "safe_until_ms" not in line)
    assert found == (GOLDEN / name).read_text()


def test_the_text_is_as_it_was(table: Path) -> None:
    golden("plan.txt", run_command("plan", table, *ASKED), table)


def test_the_document_is_as_it_was(table: Path) -> None:
    golden("plan.json", run_command("plan", table, *ASKED, "--json"), table)


@pytest.mark.parametrize("ending", [{}, {"pad": False}, {"drop_last": True}])
@pytest.mark.parametrize(("num_ranks", "batch_size"), [(1, 32), (3, 32), (4, 100), (5, 7)])
def test_steps_and_the_rows_of_the_end_are_those_of_the_loader(
    table: Path, num_ranks: int, batch_size: int, ending: dict[str, bool]
) -> None:
    flags = {"pad": "--no-pad", "drop_last": "--drop-last"}
    epoch = planned(
        table, "--world-size", num_ranks, "--batch-size", batch_size, *map(flags.get, ending)
    )["epoch"]
    ranks = [
        DeltaDataset(
            table,
            columns=["id"],
            version=len(SIZES) - 1,
            batch_size=batch_size,
            rank=rank,
            num_ranks=num_ranks,
            **ending,
        )
        for rank in range(num_ranks)
    ]
    seen = [[row for batch in dataset for row in batch["id"].tolist()] for dataset in ranks]
    rows = [row for share in seen for row in share]
    assert epoch["steps_per_rank"] == len(ranks[0])
    assert epoch["rows_per_rank"] == len(seen[0])
    assert epoch["repeated_rows"] == len(rows) - len(set(rows))
    assert epoch["dropped_rows"] == NUM_ROWS - len(set(rows))
    assert (epoch["rows"], epoch["are_rows_exact"]) == (NUM_ROWS, True)


def test_the_columns_of_the_footers_are_what_is_read(table: Path) -> None:
    one, both = (planned(table, "--columns", columns) for columns in ("id", "id,x"))
    groups = sum(-(-size // 64) for size in SIZES)
    assert one["reading"]["decoded_nbytes_per_rank"] == NUM_ROWS * 8
    assert both["reading"]["decoded_nbytes_per_rank"] == NUM_ROWS * 12
    assert one["reading"]["nbytes_per_rank"] < both["reading"]["nbytes_per_rank"]
    # A footer and the row groups of a file; the one lane's two ends are those of the table.
    assert groups + len(SIZES) <= one["reading"]["requests_per_rank"] <= groups + len(SIZES) + 3
    shared = planned(table, "--columns", "id", "--world-size", 2)["reading"]
    assert shared["decoded_nbytes_per_rank"] == NUM_ROWS * 4


def test_lanes_that_do_not_divide_are_told_with_the_loaders_words(table: Path) -> None:
    document = planned(table, "--world-size", 4, "--lanes", 6)
    assert document["reading"]["factor"] == 2
    assert document["lanes"]["good"][:3] == [4, 8, 12]
    dataset = DeltaDataset(table, columns=["id"], version=6, rank=0, num_ranks=4, lanes=6)
    with pytest.warns(UserWarning, match="4 consumers do not divide 6 lanes: each reads 2 times"):
        iter(dataset)
    assert "do not divide 6 lanes: each reads 2 times" in warned(document, "lanes")


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_the_lanes_are_those_that_the_loader_chooses(
    tmp_path: Path, num_ranks: int, shuffle: bool
) -> None:
    root = write_files(tmp_path / "t", [numbered(0, 3_000_000)], row_group_rows=100_000)
    flags = ["--shuffle"] * shuffle
    lanes = planned(root, "--columns", "id,x", "--world-size", num_ranks, *flags)["lanes"]
    dataset = DeltaDataset(
        root, columns=["id", "x"], version=0, shuffle=shuffle, rank=0, num_ranks=num_ranks
    )
    assert lanes["lanes"] == dataset.state_dict()["lanes"]
    assert lanes["lanes"] % num_ranks == 0


def test_windows_beyond_the_budget_are_told(table: Path) -> None:
    document = planned(table, "--shuffle", "--lanes", 8, "--memory-budget", 10_000)
    assert "the loader will refuse" in warned(document, "memory")
    assert document["memory"]["needed_nbytes"] == 8 * document["memory"]["window_nbytes"]


def test_tiny_row_groups_and_a_file_that_outweighs_the_others_are_told(
    table: Path, tmp_path: Path
) -> None:
    assert "tiny row groups: the median has 64 rows" in warned(planned(table), "row groups")
    skewed = write_numbered(tmp_path / "skewed", [10, 10, 10, 900])
    assert "the largest file has 900 rows and the median 10" in warned(planned(skewed), "skew")


def test_huge_row_groups_are_told(tmp_path: Path) -> None:
    numbers = pa.table({"x": pa.array(np.arange(9_000_000))})
    root = write_files(tmp_path / "huge", [numbers], row_group_rows=9_000_000)
    document = planned(root, "--shuffle")
    assert "huge row groups: one decodes to 68.7 MiB" in warned(document, "row groups")
    assert not [one for one in planned(root)["warnings"] if one["kind"] == "row groups"]


def test_a_filter_that_statistics_leave_open_makes_the_rows_an_estimate(table: Path) -> None:
    document = planned(table, "--filter", "x = 5")
    assert document["epoch"]["rows"] == SIZES[0]
    assert not document["epoch"]["are_rows_exact"]
    assert "leave 1 file open" in warned(document, "filter")
    decided = planned(table, "--filter", "id < 560")
    assert (decided["epoch"]["rows"], decided["epoch"]["are_rows_exact"]) == (560, True)


def test_files_that_a_later_version_removed_are_told_with_the_time_they_are_safe(
    tmp_path: Path,
) -> None:
    root = write_files(
        tmp_path / "t",
        [numbered(0, 100), numbered(100, 200)],
        configuration={"delta.deletedFileRetentionDuration": "interval 2 hours"},
    )
    assert planned(root, "--run-hours", 1)["vacuum"]["removed_files"] == 0
    assert "2 hours later" in warned(planned(root), "vacuum")
    deltalake.DeltaTable(root).optimize.compact()
    document = planned(root, "--version", 1)
    vacuum = document["vacuum"]
    assert (vacuum["removed_files"], vacuum["retention_ms"]) == (2, 7_200_000)
    commit = root / "_delta_log" / f"{2:020d}.json"
    assert abs(vacuum["safe_until_ms"] - commit.stat().st_mtime * 1000 - 7_200_000) <= 1
    assert "2 files of this version were removed since, and may be deleted from" in warned(
        document, "vacuum"
    )
    short = planned(root, "--version", 1, "--run-hours", 1)["warnings"]
    assert not [one for one in short if one["kind"] == "vacuum"]


def test_files_without_row_counts_are_counted_by_their_footers_and_bad_ones_told(
    table: Path, tmp_path: Path
) -> None:
    log = LogFolder(tmp_path / "t")
    data = write_numbered(tmp_path / "t" / "data", [50])
    (file,) = data.glob("*.parquet")
    size = file.stat().st_size
    adds = [
        add(f"data/{file.name}", size=size, stats=None),
        add("gone.parquet", size=5, stats=None),
    ]
    fields = {"id": "long", "x": "float", "text": "string"}
    log.commit(0, protocol(), metadata(fields), *adds)
    document = planned(tmp_path / "t")
    assert document["epoch"]["rows"] == 100
    assert not document["epoch"]["are_rows_exact"]
    assert "no row count of 2 files" in warned(document, "rows")
    assert "1 footer could not be read, the first" in warned(document, "footers")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--world-size", 9, "--batch-size", 1000], 2, "too few for 9 ranks"),
        (["--columns", "id,,x"], 2, "names with commas between"),
        (["--columns", "nope"], 1, "nope"),
        (["--filter", "id <"], 2, "id <"),
        (["--version", 99], 1, "version 99 does not exist"),
    ],
)
def test_what_cannot_be_is_one_line_and_an_exit_code(
    table: Path, arguments: list[object], code: int, message: str
) -> None:
    ran = run_command("plan", table, *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert message in ran.err


def test_a_run_lasts_a_finite_time(table: Path) -> None:
    for hours in ("inf", "nan", "-1"):
        ran = run_command("plan", table, "--run-hours", hours, "--json")
        assert (ran.code, ran.out) == (2, "")
        assert "--run-hours" in ran.err


def test_torch_is_not_needed(table: Path) -> None:
    script = """
import sys
from deltastream.cli import main
sys.argv = ["deltastream", "plan", sys.argv[1]]
try:
    main()
finally:
    assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, table], check=True, capture_output=True)


def test_no_data_is_read(table: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(table, tmp_path / "copy")
    for file in copy.glob("*.parquet"):
        content = bytearray(file.read_bytes())
        footer_nbytes = int.from_bytes(content[-8:-4], "little") + 8
        content[4:-footer_nbytes] = bytes(len(content) - footer_nbytes - 4)
        file.write_bytes(content)
    assert planned(copy, "--shuffle")["reading"] == planned(table, "--shuffle")["reading"]


def test_more_lanes_than_the_rows_fill_are_read_as_one(table: Path) -> None:
    one = planned(table, "--lanes", 1, "--shuffle")
    many = planned(table, "--lanes", 100_000, "--shuffle")
    assert "all is read as the lane" in warned(many, "lanes")
    assert many["reading"] == one["reading"]
    assert many["lanes"]["open_per_consumer"] == 1
    nothing = planned(table, "--batch-size", NUM_ROWS + 1, "--drop-last")
    assert nothing["epoch"]["microbatches"] == nothing["reading"]["nbytes_per_rank"] == 0
    too_many = run_command("plan", table, "--lanes", 1 << 21)
    assert (too_many.code, too_many.out) == (2, "")
