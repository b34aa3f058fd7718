from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import LogCorruptError
from deltastream.types import Snapshot
from tests.support.logs import UUID, VECTOR, LogFolder, add, metadata, protocol, read, remove

FIELDS = {"x": "long", "p": "integer"}
HEAD = (protocol(), metadata(FIELDS, partition_columns=["p"]))
NAMES = ["a", "b c", "d%e", "f/ü", "/abs/g h"]


def paths(snapshot: Snapshot) -> list[str]:
    return list(snapshot.files.column("path").to_pylist())


def spellings(path: str) -> list[str]:
    """The ways writers log one path."""
    found = [quote(path), quote(path, safe="")]
    if "%" not in path:
        found.append(path)
    if path.startswith("/"):
        return [*found[::2], f"file://{quote(path)}", f"file:{quote(path)}"]
    return found


def content(path: str, modified_ms: int) -> dict[str, Any]:
    count = None if modified_ms == 0 else modified_ms * 10
    stats = None if count is None else f'{{"numRecords":{count}}}'
    return add(path, modified_ms=modified_ms, stats=stats, partitionValues={"p": str(modified_ms)})


@st.composite
def histories(draw: st.DrawFn) -> list[list[tuple[str, str, int]]]:
    """Commits of (verb, path as logged, modification time)."""
    step = st.tuples(
        st.sampled_from(["add", "remove"]),
        st.sampled_from(NAMES).flatmap(lambda name: st.sampled_from(spellings(name))),
        st.integers(0, 3),
    )
    return draw(st.lists(st.lists(step, max_size=4), min_size=1, max_size=6))


def model(history: list[list[tuple[str, str, int]]]) -> list[dict[str, tuple[str, int]]]:
    """The live files after each commit: path to (path as logged, modification time)."""
    by_spelling = {spelling: name for name in NAMES for spelling in spellings(name)}
    live: dict[str, tuple[str, int]] = {}
    states = []
    for commit in history:
        for verb in ("remove", "add"):
            for found, logged, modified_ms in commit:
                if found == verb:
                    live.pop(by_spelling[logged], None)
                    if verb == "add":
                        live[by_spelling[logged]] = (logged, modified_ms)
        states.append(dict(live))
    return states


@given(history=histories(), data=st.data())
def test_files_and_order_do_not_depend_on_how_the_log_is_stored(
    history: list[list[tuple[str, str, int]]], data: st.DataObject
) -> None:
    states = model(history)
    latest = len(history) - 1
    with tempfile.TemporaryDirectory() as folder:
        log = LogFolder(Path(folder))
        for version, commit in enumerate(history):
            actions = [
                content(path, modified_ms) if verb == "add" else remove(path)
                for verb, path, modified_ms in commit
            ]
            log.commit(version, *(HEAD if version == 0 else [{"commitInfo": {}}]), *actions)
        version = data.draw(st.integers(0, latest), label="version")
        from_commits = read(log.root, version=version)

        order = sorted((ms, path.encode()) for path, (_, ms) in states[version].items())
        assert paths(from_commits) == [path.decode() for _, path in order]
        times_ms = [ms for ms, _ in order]
        assert from_commits.files.column("modified_ms").to_pylist() == times_ms
        assert from_commits.partitions.column("p").to_pylist() == times_ms
        counts = [None if ms == 0 else ms * 10 for ms in times_ms]
        assert from_commits.files.column("num_records").to_pylist() == counts

        at = data.draw(st.integers(0, version), label="checkpoint")
        logged = data.draw(st.permutations(sorted(states[at].values())), label="checkpoint order")
        actions = [*HEAD, *(content(path, ms) for path, ms in logged)]
        if data.draw(st.booleans(), label="V2"):
            suffix = data.draw(st.sampled_from(["parquet", f"{UUID}.parquet", f"{UUID}.json"]))
            num_sidecars = data.draw(st.integers(0, 3), label="sidecars")
            log.v2_checkpoint(at, *actions, suffix=suffix, num_sidecars=num_sidecars)
        else:
            num_parts = data.draw(st.sampled_from([None, 2]), label="parts")
            log.checkpoint(at, *actions, num_parts=num_parts)
        for cleaned in range(at + 1):
            log.commit_path(cleaned).unlink()
        assert read(log.root, version=version) == from_commits


def test_a_file_removed_and_added_in_one_commit_lives(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a", modified_ms=1))
    log.commit(1, add("a", modified_ms=2), remove("a"))
    assert read(tmp_path).files.column("modified_ms").to_pylist() == [2]


def test_a_file_added_again_after_its_removal_lives(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a"))
    log.commit(1, remove("a"))
    log.commit(2, add("a"))
    assert [read(tmp_path, version=v).files.num_rows for v in range(3)] == [1, 0, 1]


def test_a_remove_ends_only_the_file_with_its_own_deletion_vector(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a"))
    log.commit(1, remove("a", deletionVector=VECTOR))
    assert paths(read(tmp_path)) == ["a"]
    log.checkpoint(1, *HEAD, add("a", deletionVector=VECTOR), add("b"))
    log.commit(2, remove("a"), remove("a", deletionVector=VECTOR))
    assert paths(read(tmp_path)) == ["b"]


def test_the_base_order_is_time_then_the_bytes_of_the_decoded_path(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    names = ["%41", "B", "a", "\uffff", "\U00010000", "Z"]
    log.first_commit(*(add(name, modified_ms=1) for name in names), add("late", modified_ms=2))
    log.commit(1, add("early", modified_ms=0))
    # U+10000 sorts after U+FFFF by its bytes, before it by its UTF-16 units.
    assert paths(read(tmp_path)) == ["early", "A", "B", "Z", "a", "\uffff", "\U00010000", "late"]


@pytest.mark.parametrize("num_parts", [None, 2])
def test_a_file_that_a_checkpoint_has_twice_is_corrupt_and_named(
    tmp_path: Path, num_parts: int | None
) -> None:
    log = LogFolder(tmp_path)
    log.checkpoint(
        0, *HEAD, add("a"), add("b"), add("a", deletionVector=VECTOR), num_parts=num_parts
    )
    with pytest.raises(LogCorruptError, match="version 0: file a is added twice"):
        read(tmp_path)


def test_a_file_that_a_checkpoint_has_twice_with_two_times_is_corrupt_and_named(
    tmp_path: Path,
) -> None:
    adds = [add("b", modified_ms=2), add("a", modified_ms=1), add("b", modified_ms=3)]
    LogFolder(tmp_path).checkpoint(0, *HEAD, *adds)
    with pytest.raises(LogCorruptError, match="version 0: file b is added twice"):
        read(tmp_path)


def test_a_file_added_anew_with_another_vector_and_not_removed_is_corrupt_and_named(
    tmp_path: Path,
) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a", modified_ms=1), add("b", modified_ms=2))
    log.commit(1, add("a", modified_ms=3, deletionVector=VECTOR))
    with pytest.raises(LogCorruptError, match="version 1: file a is added twice"):
        read(tmp_path)


def test_a_file_of_fewer_than_no_bytes_is_corrupt_and_named(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a", size=1), add("b", size=-1))
    with pytest.raises(LogCorruptError, match="version 0: file b has a size of -1 bytes"):
        read(tmp_path)
