from __future__ import annotations

from pathlib import Path

import pytest

from deltastream.errors import TableNotFoundError
from deltastream.log.listing import parse_listing
from deltastream.types import ObjectInfo
from tests.support.logs import LogFolder, read

UUID = "80a083e8-7026-4e79-81be-64bd76c43a11"


def infos(*names: str) -> list[ObjectInfo]:
    return [ObjectInfo(name, 1, 0) for name in names]


def test_names_that_the_protocol_does_not_know_are_ignored() -> None:
    listing = parse_listing(
        infos(
            "00000000000000000001.json",
            "00000000000000000001.crc",
            ".00000000000000000002.json.crc",
            "._00000000000000000002.json",
            "00000000000000000002.json.tmp",
            "0002.json",
            "00000000000000000000.00000000000000000009.compacted.json",
            "00000000000000000003.checkpoint.parquet.tmp",
            "_last_checkpoint",
            "readme.txt",
        )
    )
    assert sorted(listing.commits) == [1]
    assert listing.checkpoints == ()


def test_a_multi_part_checkpoint_counts_only_with_all_its_parts() -> None:
    part = "00000000000000000005.checkpoint.{:010d}.{:010d}.parquet".format
    listing = parse_listing(infos(part(1, 3), part(2, 3), part(1, 2), part(2, 2), part(4, 4)))
    (found,) = listing.checkpoints
    assert found.paths == (f"_delta_log/{part(1, 2)}", f"_delta_log/{part(2, 2)}")


def test_an_empty_checkpoint_is_none_and_an_empty_commit_is_one() -> None:
    names = ["00000000000000000001.json", "00000000000000000002.checkpoint.parquet"]
    part = "00000000000000000003.checkpoint.{:010d}.{:010d}.parquet".format
    names += [part(1, 2), f"00000000000000000004.checkpoint.{UUID}.json"]
    listing = parse_listing([ObjectInfo(name, 0, 0) for name in names] + infos(part(2, 2)))
    assert sorted(listing.commits) == [1]
    assert listing.checkpoints == ()


def test_the_newest_checkpoint_comes_first_and_a_classic_one_before_a_v2_one() -> None:
    listing = parse_listing(
        infos(
            f"00000000000000000007.checkpoint.{UUID}.parquet",
            f"00000000000000000009.checkpoint.{UUID}.json",
            "00000000000000000003.checkpoint.parquet",
            "00000000000000000007.checkpoint.parquet",
        )
    )
    found = [(checkpoint.version, checkpoint.is_v2) for checkpoint in listing.checkpoints]
    assert found == [(9, True), (7, False), (7, True), (3, False)]


def test_a_folder_without_a_log_is_no_table_and_the_message_says_what_was_looked_for(
    tmp_path: Path,
) -> None:
    with pytest.raises(TableNotFoundError, match="_delta_log and there is no such folder"):
        read(tmp_path / "nothing")


def test_a_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TableNotFoundError, match="no Delta table"):
        read(tmp_path / "file")


def test_a_log_without_commits_and_checkpoints_is_no_table(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    (folder.log / "_last_checkpoint").write_text("{}")
    with pytest.raises(TableNotFoundError, match=r"none of its 1 files"):
        read(tmp_path)
