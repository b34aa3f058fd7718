from __future__ import annotations

import json
from pathlib import Path

import pytest

from deltastream.errors import LogCorruptError
from deltastream.log.commit import Commit, CommitFile, parse_commits
from tests.support.logs import LogFolder, add, metadata, protocol, read, remove


def parse(text: str) -> Commit:
    return parse_commits([CommitFile(3, text.encode(), "commit 3")])[0]


def paths(commit: Commit) -> list[str]:
    return list(commit.adds.column("path").to_pylist())


def test_actions_are_read_one_a_line_or_over_several_lines() -> None:
    actions = [protocol(2), metadata(), add("a"), remove("b"), add("c")]
    for text in (
        "\n".join(json.dumps(action) for action in actions),
        "\r\n".join(json.dumps(action) for action in actions) + "\r\n",
        "\n\n".join(json.dumps(action, indent=2) for action in actions) + "\n\n",
    ):
        commit = parse(text)
        assert paths(commit) == ["a", "c"]
        assert commit.removed.to_pylist() == ["b"]
        assert commit.protocol is not None
        assert commit.protocol.min_reader_version == 2
        assert commit.metadata is not None
        assert commit.metadata.table_id == "a-table"


def test_unknown_actions_and_fields_are_ignored() -> None:
    commit = parse('{"txn":{"appId":"x"}}{"add":null}\n{"cdc":{"path":"p"}}\n{"new":[1]}')
    assert paths(commit) == []
    assert commit.protocol is None
    assert commit.metadata is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        '{"add":{"path":"a","size":1,"modifi',
        json.dumps(add("a")) + "\n}",
        json.dumps(add("a")) + "\ngarbage",
        json.dumps(add("a")) + "\n[1]",
        "5",
        '{"add":{"size":1,"modificationTime":1}}',
        '{"add":{"path":"a","modificationTime":1}}',
        '{"add":{"path":"a","size":"1","modificationTime":1}}',
        '{"add":{"path":"a","size":1,"modificationTime":null}}',
        '{"add":{"path":"a","size":1,"modificationTime":1,"partitionValues":{"x":5}}}',
        '{"add":{"path":"\\ud800","size":1,"modificationTime":1}}',
        '{"add":{"path":"a","size":1,"modificationTime":1,"deletionVector":{}}}',
        '{"add":7}',
        '{"remove":{}}',
        '{"protocol":{}}',
        '{"protocol":[]}',
        '{"metaData":{"id":"x"}}',
        '{"metaData":{"schemaString":"{}"}}',
        '{"metaData":{"id":"x","schemaString":"{}","partitionColumns":[1]}}',
        "[" * 100_000,
    ],
)
def test_a_torn_or_damaged_commit_is_corrupt_and_named(text: str) -> None:
    with pytest.raises(LogCorruptError, match="commit 3"):
        parse(text)


def test_bytes_that_are_no_text_are_corrupt() -> None:
    with pytest.raises(LogCorruptError, match=r"commit 3 is no UTF-8"):
        parse_commits([CommitFile(3, b'{"add":"\xff"}', "commit 3")])


def test_the_error_of_a_torn_commit_names_its_file(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    folder.first_commit()
    folder.commit_path(1).write_bytes(b"")
    with pytest.raises(LogCorruptError, match=rf"{folder.commit_path(1)} is empty"):
        read(tmp_path)
    assert read(tmp_path, version=0).version == 0


def test_an_empty_commit_is_corrupt_where_it_is_needed_and_there_alone(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a"))
    log.commit(1)
    for version in (None, 1):
        with pytest.raises(LogCorruptError, match=r"0001.json is empty"):
            read(tmp_path, version=version)
    assert read(tmp_path, version=0).files.num_rows == 1
    log.checkpoint(1, protocol(), metadata(), add("b"))
    assert read(tmp_path).files.column("path").to_pylist() == ["b"]


def test_a_log_compaction_takes_no_commits_place(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a"))
    for version in (1, 2):
        log.commit(version, add(str(version)))
    compaction = log.log / f"{1:020d}.{2:020d}.compacted.json"
    compaction.write_text("not read")
    assert read(tmp_path).files.num_rows == 3
    # Writers keep the commits that a compaction stands for; without one the log is damaged.
    log.commit_path(1).unlink()
    with pytest.raises(LogCorruptError, match="commit 1 is missing"):
        read(tmp_path)
