from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import LogCorruptError, OptionError, VersionNotFoundError
from deltastream.log.time_travel import monotonic_ms
from tests.support.logs import LogFolder, add, commit_info, metadata, protocol, read

T = 1_700_000_000_000


def at(time_ms: float) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def version_at(root: Path, time_ms: float) -> int:
    return read(root, timestamp=at(time_ms)).version


def in_commit(version: int | None = None, time_ms: int | None = None) -> dict[str, str]:
    configuration = {"delta.enableInCommitTimestamps": "true"}
    if version is not None:
        configuration["delta.inCommitTimestampEnablementVersion"] = str(version)
        configuration["delta.inCommitTimestampEnablementTimestamp"] = str(time_ms)
    return configuration


def test_a_timestamp_is_the_last_commit_at_or_before_it(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(modified_ms=T)
    log.commit(1, commit_info(), modified_ms=T + 10)
    log.commit(2, commit_info(), modified_ms=T + 20)
    times_ms = [T, T + 9.9, T + 10, T + 19, T + 20, T + 10**9]
    assert [version_at(tmp_path, time_ms) for time_ms in times_ms] == [0, 0, 1, 1, 2, 2]
    with pytest.raises(VersionNotFoundError, match="the first one in the log is version 0"):
        version_at(tmp_path, T - 1)


def test_modification_times_that_go_backwards_count_as_a_millisecond_after_the_commit_before(
    tmp_path: Path,
) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(modified_ms=T + 100)
    log.commit(1, commit_info(), modified_ms=T)
    log.commit(2, commit_info(), modified_ms=T + 101)
    log.commit(3, commit_info(), modified_ms=T + 200)
    found = [version_at(tmp_path, T + offset) for offset in (100, 101, 102, 199, 200)]
    assert found == [0, 1, 2, 2, 3]
    with pytest.raises(VersionNotFoundError):
        version_at(tmp_path, T + 99)


@given(st.lists(st.integers(0, 20)))
def test_monotonic_times_rise_and_are_never_earlier(times_ms: list[int]) -> None:
    adjusted = monotonic_ms(times_ms)
    assert all(a < b for a, b in itertools.pairwise(adjusted))
    assert all(a >= t for a, t in zip(adjusted, times_ms, strict=True))
    if all(a < b for a, b in itertools.pairwise(times_ms)):
        assert adjusted == times_ms


def test_times_are_utc_unless_they_name_a_zone_and_strings_are_iso_8601(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    for version in range(3):
        actions = [protocol(), metadata()] if version == 0 else [commit_info()]
        time = noon + timedelta(hours=version)
        log.commit(version, *actions, modified_ms=int(time.timestamp() * 1000))
    zone = timezone(timedelta(hours=2))
    for timestamp in (
        datetime(2024, 1, 1, 13, 30),
        datetime(2024, 1, 1, 15, 30, tzinfo=zone),
        "2024-01-01T13:30:00Z",
        "2024-01-01 13:30",
        "2024-01-01T15:30:00.000+02:00",
    ):
        assert read(tmp_path, timestamp=timestamp).version == 1


def test_in_commit_timestamps_count_and_modification_times_do_not(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.commit(
        0, commit_info(T), protocol(), metadata(configuration=in_commit()), modified_ms=T + 10**6
    )
    for version in range(1, 6):
        log.commit(version, commit_info(T + 10 * version), modified_ms=T - version)
    found = [version_at(tmp_path, T + offset) for offset in (0, 9, 10, 35, 50, 99)]
    assert found == [0, 0, 1, 3, 5, 5]
    with pytest.raises(VersionNotFoundError, match="the first one in the log is version 0"):
        version_at(tmp_path, T - 1)


def test_in_commit_timestamps_count_from_their_enablement_on(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(modified_ms=T)
    # Copied later: by its modification time it would lie after version 2.
    log.commit(1, commit_info(), modified_ms=T + 10)
    enabled = metadata(configuration=in_commit(2, T + 5))
    log.commit(2, commit_info(T + 5), enabled, modified_ms=T + 500)
    log.commit(3, commit_info(T + 8), modified_ms=T + 501)
    # Before the enablement only the versions before it count, after it only those from it on.
    found = [version_at(tmp_path, T + offset) for offset in (0, 4, 5, 7, 8, 100)]
    assert found == [0, 0, 2, 2, 3, 3]


def test_the_configuration_of_the_latest_version_decides(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.commit(0, commit_info(T), protocol(), metadata(configuration=in_commit()), modified_ms=T)
    log.commit(1, commit_info(T + 900), modified_ms=T + 10)
    log.commit(2, metadata(), modified_ms=T + 20)
    assert version_at(tmp_path, T + 15) == 1


def test_a_missing_in_commit_timestamp_is_corrupt_and_named(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.commit(0, commit_info(T), protocol(), metadata(configuration=in_commit()))
    path = log.commit(1, commit_info())
    with pytest.raises(LogCorruptError, match=f"{path} has no commitInfo.inCommitTimestamp"):
        version_at(tmp_path, T)


def test_an_enablement_version_that_is_no_number_is_corrupt(tmp_path: Path) -> None:
    configuration = in_commit(0, T) | {"delta.inCommitTimestampEnablementVersion": "x"}
    LogFolder(tmp_path).commit(0, commit_info(T), protocol(), metadata(configuration=configuration))
    with pytest.raises(LogCorruptError, match="EnablementVersion='x'"):
        version_at(tmp_path, T)


def test_commits_that_can_no_longer_be_rebuilt_do_not_count(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.commit(3, commit_info(), modified_ms=T)
    log.commit(4, commit_info(), modified_ms=T + 10)
    log.checkpoint(4, protocol(), metadata())
    assert version_at(tmp_path, T + 10) == 4
    with pytest.raises(VersionNotFoundError, match="version 4"):
        version_at(tmp_path, T + 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 0, "timestamp": "2024-01-01"}, "exclude each other"),
        ({"version": -1}, "version must be an integer of at least 0, got -1"),
        ({"version": True}, "version must be an integer"),
        ({"version": "1"}, "version must be an integer"),
        ({"timestamp": "yesterday"}, "not ISO 8601"),
        ({"timestamp": 5}, "timestamp is a datetime"),
    ],
)
def test_options_that_cannot_be_are_refused(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    LogFolder(tmp_path).first_commit()
    with pytest.raises(OptionError, match=message):
        read(tmp_path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("with_in_commit", [False, True])
def test_a_time_where_commits_are_missing_is_an_error_and_no_older_version(
    tmp_path: Path, with_in_commit: bool
) -> None:
    log = LogFolder(tmp_path)
    configuration = in_commit() if with_in_commit else {}
    head = [protocol(), metadata(configuration=configuration)]
    for version in (2, 6, 7):
        written_ms = T + 10 * version
        log.commit(version, commit_info(written_ms), add(f"f{version}"), modified_ms=written_ms)
    log.checkpoint(2, *head, add("f2"))
    log.checkpoint(6, *head, add("f6"))
    assert [version_at(tmp_path, T + ms) for ms in (60, 69, 70, 10**9)] == [6, 6, 7, 7]
    for ms in (20, 35, 59):
        with pytest.raises(VersionNotFoundError, match=r"version 2 was .* version 3 is not in"):
            version_at(tmp_path, T + ms)


def test_a_latest_version_that_is_a_checkpoint_alone_has_no_time(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(modified_ms=T)
    log.commit(1, commit_info(), modified_ms=T + 5)
    log.checkpoint(2, protocol(), metadata(), add("a"))
    assert read(tmp_path).version == 2
    assert version_at(tmp_path, T + 4) == 0
    with pytest.raises(VersionNotFoundError, match="cannot be told"):
        version_at(tmp_path, T + 10**9)
