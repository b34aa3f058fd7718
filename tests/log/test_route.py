from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import LogCorruptError, VersionNotFoundError
from deltastream.log.listing import Checkpoint, LogListing
from deltastream.log.route import find_routes
from deltastream.types import ObjectInfo


def listing(commits: list[int], checkpoints: list[int]) -> LogListing:
    return LogListing(
        {version: ObjectInfo(f"{version:020d}.json", 1, 0) for version in commits},
        tuple(
            Checkpoint(version, (f"{version}",)) for version in sorted(checkpoints, reverse=True)
        ),
    )


def starts(found: LogListing, version: int) -> list[int | None]:
    routes = find_routes(found, version, table_uri="t")
    return [None if route.checkpoint is None else route.checkpoint.version for route in routes]


def test_the_newest_checkpoint_at_or_before_the_version_comes_first() -> None:
    log = listing(list(range(10)), [2, 5, 8])
    assert starts(log, 8) == [8, 5, 2, None]
    assert starts(log, 7) == [5, 2, None]
    assert starts(log, 1) == [None]


def test_a_gap_before_the_checkpoint_does_not_matter() -> None:
    assert starts(listing([0, 1, 3, 5, 6], [0, 4]), 6) == [4]


def test_a_version_is_rebuilt_from_its_checkpoint_alone() -> None:
    assert starts(listing([], [7]), 7) == [7]


def test_a_gap_after_the_checkpoint_is_corrupt_and_named() -> None:
    with pytest.raises(LogCorruptError, match="commit 6 is missing"):
        starts(listing([0, 1, 2, 3, 4, 5, 7, 8], [4]), 8)


def test_commits_without_their_beginning_are_corrupt() -> None:
    with pytest.raises(LogCorruptError, match="begin at 3"):
        starts(listing([3, 4], []), 4)


def test_a_version_not_yet_written_names_the_latest() -> None:
    with pytest.raises(VersionNotFoundError, match="version 4 does not exist; the latest is 3"):
        starts(listing([0, 1, 2, 3], []), 4)


def test_a_cleaned_version_names_the_earliest_available() -> None:
    with pytest.raises(VersionNotFoundError, match=r"can still give versions 5 to 6$"):
        starts(listing([3, 4, 5, 6], [5]), 4)


def test_a_version_cleaned_between_two_checkpoints_names_what_is_left() -> None:
    log = listing([2, 3, 9, 10, 14], [1, 6, 9, 13])
    with pytest.raises(
        VersionNotFoundError,
        match=r"version 7 .* can still give versions 1 to 3, 6, 9 to 10, 13 to 14$",
    ):
        starts(log, 7)
    with pytest.raises(VersionNotFoundError, match=r"can still give version 5$"):
        starts(listing([], [5]), 2)


@given(
    commits=st.sets(st.integers(0, 9)),
    checkpoints=st.sets(st.integers(0, 9)),
    version=st.integers(0, 9),
)
def test_routes_are_exactly_the_starts_with_unbroken_commits_up_to_the_version(
    commits: set[int], checkpoints: set[int], version: int
) -> None:
    if not commits and not checkpoints:
        return
    expected = [
        start
        for start in [*sorted(checkpoints, reverse=True), -1]
        if start <= version and all(v in commits for v in range(start + 1, version + 1))
    ]
    log = listing(sorted(commits), sorted(checkpoints))
    try:
        found = [-1 if start is None else start for start in starts(log, version)]
    except (LogCorruptError, VersionNotFoundError):
        found = []
    assert found == expected
