from __future__ import annotations

from pathlib import Path

import pytest

from deltastream.errors import UnsupportedFeatureError
from tests.support.logs import LogFolder, add, metadata, protocol, read


@pytest.mark.parametrize(
    "features",
    [
        [],
        ["timestampNtz", "vacuumProtocolCheck"],
        [
            "deletionVectors",
            "columnMapping",
            "v2Checkpoint",
            "typeWidening",
            "typeWidening-preview",
            "variantType",
            "variantType-preview",
        ],
    ],
)
def test_a_feature_that_is_listed_and_not_used_does_not_matter(
    tmp_path: Path, features: list[str]
) -> None:
    configuration = {"delta.columnMapping.mode": "none"}
    LogFolder(tmp_path).commit(
        0, protocol(3, features), metadata(configuration=configuration), add("a")
    )
    snapshot = read(tmp_path)
    assert snapshot.min_reader_version == 3
    assert snapshot.reader_features == tuple(features)
    assert snapshot.configuration == configuration


def test_a_newer_reader_version_is_refused(tmp_path: Path) -> None:
    LogFolder(tmp_path).commit(0, protocol(4), metadata())
    with pytest.raises(UnsupportedFeatureError, match="needs reader version 4"):
        read(tmp_path)


@pytest.mark.parametrize(
    "feature",
    [
        "catalogManaged",
        "catalogOwned",
        "catalogOwned-preview",
        "geospatial",
        "variantShredding-preview",
        "variantShredding",
        "somethingNew",
    ],
)
def test_a_reader_feature_that_we_lack_is_refused_by_name(tmp_path: Path, feature: str) -> None:
    LogFolder(tmp_path).commit(0, protocol(3, ["timestampNtz", feature]), metadata())
    with pytest.raises(UnsupportedFeatureError, match=f"reader features {feature},"):
        read(tmp_path)


def test_an_unknown_mode_of_column_mapping_is_refused(tmp_path: Path) -> None:
    configuration = {"delta.columnMapping.mode": "position"}
    LogFolder(tmp_path).commit(0, protocol(2), metadata(configuration=configuration))
    with pytest.raises(UnsupportedFeatureError, match=r"delta.columnMapping.mode is 'position'"):
        read(tmp_path)


def test_a_file_format_other_than_parquet_is_refused(tmp_path: Path) -> None:
    action = metadata()
    action["metaData"]["format"]["provider"] = "orc"
    LogFolder(tmp_path).commit(0, protocol(), action)
    with pytest.raises(UnsupportedFeatureError, match="'orc'"):
        read(tmp_path)


def test_an_older_version_is_read_though_the_latest_one_is_refused(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a"))
    log.commit(1, protocol(3, ["somethingNew"]))
    assert read(tmp_path, version=0).files.num_rows == 1
    with pytest.raises(UnsupportedFeatureError):
        read(tmp_path)
