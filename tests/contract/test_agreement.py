"""Ranks of one job read one version, found by rank 0 and shared through the job's store: real torchrun and writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.tables import write_numbered
from tests.support.torchrun import RanksEnded, run_ranks

SIZES = (64, 64)

START = """
import deltalake, pyarrow as pa
import torch.distributed as dist
from deltastream import FieldSpec, create_pytorch_dataloader
from tests.support.tables import numbered, write_files
table = sys.argv[2]

def loader(path=table, **options):
    return create_pytorch_dataloader(path, fields=[FieldSpec("id")], batch_size=8, **options)

def found(loader):
    return [loader.dataset.version, loader.dataset.num_rows, [row for b in loader for row in b["id"].tolist()]]
"""

APPENDING = """
if len(sys.argv) > 3:
    dist.init_process_group(sys.argv[3])
for _ in range(rank):
    write_files(table, [numbered(0, 8)])
loaders = [loader(), loader(), loader(version=1)]
write_files(table, [numbered(0, 8)])
leave([found(loader) for loader in [*loaders, loader()]])
if dist.is_initialized():
    dist.destroy_process_group()
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_numbered(tmp_path / "table", SIZES)


def run(table: Path, source: str, num_ranks: int, *arguments: object, **options: int) -> RanksEnded:
    return run_ranks(
        table.parent / "ranks", START + source, num_ranks, table, *arguments, **options
    )


@pytest.mark.parametrize("process_group", [[], ["gloo"]])
def test_all_ranks_read_one_version_while_each_appends_before_it_starts(
    table: Path, process_group: list[str]
) -> None:
    ended = run(table, APPENDING, 3, *process_group)
    assert ended.returncode == 0, ended.err
    for made in range(4):
        versions = {left[made][0] for left in ended.left}
        assert len(versions) == 1, ended.left
        num_rows = {left[made][1] for left in ended.left}
        assert len(num_rows) == 1
        read = {row for left in ended.left for row in left[made][2]}
        assert read == set(range(sum(SIZES)))
    assert ended.left[0][2][0] == 1


def test_groups_of_processes_that_are_one_rank_read_one_version_too(table: Path) -> None:
    source = """
dist.init_process_group("gloo")
for _ in range(rank):
    write_files(table, [numbered(0, 8)])
one = loader(use_fixed_rank=True, rank=rank // 2, num_ranks=2)
leave(found(one))
dist.destroy_process_group()
"""
    ended = run(table, source, 4)
    assert ended.returncode == 0, ended.err
    assert ended.left[0] == ended.left[1]
    assert ended.left[2] == ended.left[3]
    assert ended.left[0][0] == ended.left[2][0]
    assert {*ended.left[0][2], *ended.left[2][2]} == set(range(sum(SIZES)))


def test_ranks_that_are_started_again_find_the_latest_version_again(table: Path) -> None:
    source = """
import signal
attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
one = loader()
if attempt == 0:
    if rank == 1:
        write_files(table, [numbered(0, 8)])
        os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
leave([attempt, one.dataset.version])
"""
    ended = run(table, source, 2, max_restarts=1)
    assert ended.returncode == 0, ended.err
    assert ended.left == [[1, 2], [1, 2]]


DIFFERING = """
import deltastream.dataset.job_store as module

def caught(make):
    try:
        return make().dataset.version
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "__notes__", [])]

write_files(table + str(rank), [numbered(0, 80)])
another = caught(lambda: loader(table + str(rank)))
missing = caught(lambda: loader(table + "-not-there"))
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    others = caught(lambda: loader(use_fixed_rank=True, rank=0, num_ranks=3))
alone = caught(lambda: loader(use_fixed_rank=True, rank=0, num_ranks=1))
module.JobStore.wait.__kwdefaults__["timeout_s"] = 1
in_vain = caught(loader) if rank else None
leave([another, missing, [others, alone, [str(warning.message) for warning in warned]], in_vain])
"""


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Any, Any]]]:
    """What came of loaders that two ranks made, one after the other, and not the same ones."""
    table = write_numbered(tmp_path_factory.mktemp("differing") / "table", SIZES)
    ended = run(table, DIFFERING, 2)
    assert ended.returncode == 0, ended.err
    return table, list(zip(*ended.left, strict=True))


def test_a_rank_whose_loader_is_of_another_table_says_so(differing: Any) -> None:
    table, ((first, other), *_) = differing
    assert first == 0
    kind, message, notes = other
    assert kind == "OptionError"
    assert f"makes a loader of {table}1 where rank 0 made one of {table}0" in message
    assert notes == [f"Rank 0 found version 0 of {table}0."]


def test_all_ranks_fail_as_rank_0_does(differing: Any) -> None:
    _, (_, (first, other), *_) = differing
    assert first[0] == other[0] == "TableNotFoundError"
    assert other[1] == f"on rank 0: {first[1]}"


def test_ranks_that_the_job_cannot_have_find_the_version_by_themselves(differing: Any) -> None:
    _, (_, _, found, _) = differing
    for others, alone, warned in found:
        assert others == alone == len(SIZES) - 1
        assert [message[:39] for message in warned] == ["3 ranks without a store in common: each"]


def test_a_rank_that_waits_for_a_loader_rank_0_never_makes_ends_with_what_to_do(
    differing: Any,
) -> None:
    _, (*_, (_, in_vain)) = differing
    kind, message, _ = in_vain
    assert kind == "OptionError"
    assert message.startswith("rank 1 waited 1 s for rank 0 to share version/2, in vain")


FILTERING = """
path = table
if rank and len(sys.argv) > 3:
    # A copy of the log alone: nothing of the data can be read.
    import shutil
    path = shutil.copytree(f"{table}/_delta_log", f"{table}-{rank}/_delta_log").removesuffix("/_delta_log")
try:
    made = [loader(path, version=1, filter="x >= 32 and x < 96", shuffle=True) for _ in range(2)]
    leave([[one.dataset.num_rows, len(one)] for one in made])
except Exception as error:
    leave([type(error).__name__, str(error)])
"""


def test_rank_0_alone_reads_a_filters_columns_and_the_others_learn_the_counts(table: Path) -> None:
    ended = run(table, FILTERING, 3, "log alone")
    assert ended.returncode == 0, ended.err
    assert ended.left == [[[64, 3], [64, 3]]] * 3


def test_a_file_that_rank_0_cannot_count_is_an_error_on_all_ranks(table: Path) -> None:
    next(table.glob("*.parquet")).unlink()
    ended = run(table, FILTERING, 2)
    assert [kind for kind, _ in ended.left] == ["FileMissingError"] * 2, ended.err
    assert ended.left[1][1] == f"on rank 0: {ended.left[0][1]}"
