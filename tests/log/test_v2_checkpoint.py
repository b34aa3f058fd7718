from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream.errors import LogCorruptError
from tests.support.logs import (
    UUID,
    VECTOR,
    Action,
    LogFolder,
    add,
    metadata,
    protocol,
    read,
    remove,
)

HEAD = (protocol(3, ["v2Checkpoint"]), metadata({"p": "long"}, partition_columns=["p"]))
SUFFIXES = ["parquet", f"{UUID}.parquet", f"{UUID}.json"]


def file(name: str, p: int = 1) -> Action:
    stats = '{"numRecords":7}'
    return add(name, partitionValues={"p": str(p)}, stats=stats, deletionVector=VECTOR)


def paths(root: Path, version: int | None = None) -> list[str]:
    return list(read(root, version=version).files.column("path").to_pylist())


@pytest.fixture
def log(tmp_path: Path) -> LogFolder:
    """Commits 0 to 4; each adds the file of its number."""
    folder = LogFolder(tmp_path)
    folder.commit(0, *HEAD, file("0"))
    for version in range(1, 5):
        folder.commit(version, file(str(version)))
    return folder


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("num_sidecars", [0, 1, 3])
def test_a_v2_checkpoint_says_what_a_classic_one_says(
    log: LogFolder, suffix: str, num_sidecars: int
) -> None:
    actions = [*HEAD, file("a b", 2), remove("1"), file("c%20d", 3), file("e"), file("v2")]
    log.v2_checkpoint(3, *actions, suffix=suffix, num_sidecars=num_sidecars)
    found = read(log.root)
    assert paths(log.root) == ["4", "a b", "c d", "e", "v2"]
    log.checkpoint_path(3, suffix).unlink()
    log.checkpoint(3, *actions)
    assert read(log.root) == found


@pytest.mark.parametrize(
    "prefix", ["", "file:///elsewhere/_delta_log/_sidecars/", "s3://bucket/t/_delta_log/_sidecars/"]
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_sidecar_lies_in_the_tables_own_folder_whatever_its_path_says(
    log: LogFolder, suffix: str, prefix: str
) -> None:
    log.v2_checkpoint(4, *HEAD, file("v2"), suffix=suffix, num_sidecars=1, prefix=prefix)
    assert paths(log.root) == ["v2"]


def test_a_sidecars_path_is_percent_decoded(log: LogFolder) -> None:
    top, sidecar = log.v2_checkpoint(4, *HEAD, file("v2"), suffix=f"{UUID}.json", num_sidecars=1)
    sidecar.rename(sidecar.with_name("a b%.parquet"))
    top.write_text(top.read_text().replace(sidecar.name, "a%20b%25.parquet"))
    assert paths(log.root) == ["v2"]


def _remove(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _other(path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("damage", [_remove, _empty, _cut, _other])
def test_a_damaged_sidecar_makes_its_checkpoint_give_way_and_is_named_where_it_is_needed(
    log: LogFolder, suffix: str, which: int, damage: object
) -> None:
    log.checkpoint(1, *HEAD, file("from-1"))
    written = log.v2_checkpoint(3, *HEAD, file("a"), file("b"), suffix=suffix, num_sidecars=2)
    damage(written[which])  # type: ignore[operator]
    assert paths(log.root) == ["2", "3", "4", "from-1"]
    log.commit_path(2).unlink()
    with pytest.raises(LogCorruptError, match=rf"checkpoint .*_sidecars/3-{which - 1}.parquet"):
        read(log.root)


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
@pytest.mark.parametrize("damage", [_empty, _cut])
def test_a_damaged_v2_checkpoint_gives_way(log: LogFolder, suffix: str, damage: object) -> None:
    damage(log.v2_checkpoint(3, *HEAD, file("v2"), suffix=suffix)[0])  # type: ignore[operator]
    assert paths(log.root) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
@pytest.mark.parametrize("said", [[], [2]])
def test_a_v2_checkpoint_that_does_not_say_its_version_gives_way(
    log: LogFolder, suffix: str, said: list[int]
) -> None:
    actions = [{"checkpointMetadata": {"version": version}} for version in said]
    log.checkpoint(3, *actions, *HEAD, file("v2"), suffix=suffix)
    assert paths(log.root) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("wrong", [{"sidecar": {}}, {"sidecar": 5}, {"checkpointMetadata": {}}])
def test_an_action_that_lacks_a_field_damages_its_checkpoint(log: LogFolder, wrong: Action) -> None:
    log.checkpoint(3, {"checkpointMetadata": {"version": 3}}, *HEAD, wrong, suffix=SUFFIXES[2])
    assert paths(log.root) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_files_has_a_v2_checkpoint_without_adds(
    log: LogFolder, suffix: str
) -> None:
    log.v2_checkpoint(4, *HEAD, suffix=suffix, num_sidecars=1)
    assert paths(log.root) == []


def test_a_sidecar_of_tombstones_alone_may_lack_the_column_of_the_adds(log: LogFolder) -> None:
    _, first, second = log.v2_checkpoint(4, *HEAD, file("a"), file("b"), num_sidecars=2)
    schema = pa.schema([("remove", pa.struct([("path", pa.string())]))])
    pq.write_table(pa.Table.from_pylist([{"remove": {"path": "x"}}], schema=schema), second)
    assert paths(log.root) == ["a"]
    assert first.exists()


def test_racing_checkpoints_of_one_version_stand_in_for_each_other(log: LogFolder) -> None:
    log.checkpoint(3, *HEAD, file("v1"))
    log.checkpoint(3, *HEAD, file("v1"), num_parts=2)[0].unlink()
    broken = log.v2_checkpoint(3, *HEAD, file("v2"), num_sidecars=1)
    assert paths(log.root) == ["4", "v1"]
    log.checkpoint_path(3).write_bytes(b"")
    assert paths(log.root) == ["4", "v2"]
    broken[1].unlink()
    assert paths(log.root) == ["0", "1", "2", "3", "4"]
