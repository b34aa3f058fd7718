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


@pytest.mark.parametrize(("reader", "readers"), [(1, None), (3, None), (3, ["timestampNtz"])])
def test_column_mapping_for_writers_alone_is_refused(
    tmp_path: Path, reader: int, readers: list[str] | None
) -> None:
    action = protocol(reader, readers)
    action["protocol"] |= {"minWriterVersion": 7, "writerFeatures": ["columnMapping"]}
    configuration = {"delta.columnMapping.mode": "name"}
    log = LogFolder(tmp_path)
    log.commit(0, action, metadata(), add("a"))
    assert read(tmp_path).column_mapping == "none"
    log.commit(1, metadata(configuration=configuration))
    with pytest.raises(UnsupportedFeatureError, match=r"columnMapping\.mode is 'name'"):
        read(tmp_path)


def test_column_mapping_of_reader_version_2_may_be_listed_for_writers(tmp_path: Path) -> None:
    action = protocol(2)
    action["protocol"] |= {"minWriterVersion": 7, "writerFeatures": ["columnMapping"]}
    configuration = {"delta.columnMapping.mode": "name"}
    column = {"name": "x", "type": "long", "nullable": True}
    column["metadata"] = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "y"}
    LogFolder(tmp_path).commit(0, action, metadata(columns=[column], configuration=configuration))
    assert read(tmp_path).column_mapping == "name"
