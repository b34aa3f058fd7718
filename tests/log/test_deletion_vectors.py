from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import LogCorruptError
from deltastream.log.deletion_vectors import descriptors_from_json, unique_ids
from deltastream.types import DELETION_VECTOR
from tests.support.logs import VECTOR, LogFolder, add, metadata, protocol, read, remove

HEAD = (protocol(3, ["deletionVectors"]), metadata())
NAMES = ("storage_type", "path_or_inline", "offset", "nbytes", "cardinality")
EXPECTED = dict(zip(NAMES, VECTOR.values(), strict=True))


def vectors(root: Path) -> dict[str, Any]:
    files = read(root).files
    assert files.schema.field("deletion_vector").type == DELETION_VECTOR
    return {file["path"]: file["deletion_vector"] for file in files.to_pylist()}


def test_a_commit_and_a_checkpoint_say_the_same_of_a_vector(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    inline = VECTOR | {"storageType": "i", "offset": None}
    actions = [add("a"), add("b", deletionVector=VECTOR), add("c", deletionVector=inline)]
    log.commit(0, *HEAD, *actions)
    expected = {"a": None, "b": EXPECTED, "c": EXPECTED | {"storage_type": "i", "offset": None}}
    assert vectors(tmp_path) == expected
    log.checkpoint(0, *HEAD, *actions)
    log.commit_path(0).write_text("not read")
    assert vectors(tmp_path) == expected


def test_the_vector_of_the_last_add_stands(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.commit(0, *HEAD, add("a"), add("b", deletionVector=VECTOR))
    later = VECTOR | {"offset": 99}
    log.commit(1, remove("b", deletionVector=VECTOR), add("b", deletionVector=later))
    log.commit(2, remove("a"), add("a", deletionVector=VECTOR))
    assert vectors(tmp_path) == {"a": EXPECTED, "b": EXPECTED | {"offset": 99}}


def test_a_table_without_vectors_has_a_column_of_nulls(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    log.first_commit(add("a"))
    assert vectors(tmp_path) == {"a": None}


def test_a_vector_of_nothing_but_nulls_is_none(tmp_path: Path) -> None:
    nothing = dict.fromkeys(VECTOR)
    actions = [add("a", deletionVector=nothing), add("b", deletionVector=VECTOR)]
    LogFolder(tmp_path).checkpoint(0, *HEAD, *actions)
    assert vectors(tmp_path) == {"a": None, "b": EXPECTED}


WRONG: list[dict[str, Any]] = [
    {"storageType": None},
    {"storageType": "x"},
    {"pathOrInlineDv": None},
    {"sizeInBytes": None},
    {"cardinality": None},
    {"cardinality": -1},
    {"sizeInBytes": -1},
    {"offset": -1},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_descriptor_unlike_the_protocol_is_corrupt(tmp_path: Path, wrong: dict[str, Any]) -> None:
    log = LogFolder(tmp_path)
    actions = [*HEAD, add("a", deletionVector=VECTOR | wrong)]
    log.commit(0, *actions)
    with pytest.raises(LogCorruptError, match=r"00000.json: .*deletion vector"):
        read(tmp_path)
    log.checkpoint(0, *actions)
    log.commit_path(0).unlink()
    with pytest.raises(LogCorruptError, match=r"00000.checkpoint.parquet .*deletion vector"):
        read(tmp_path)


def test_a_vector_that_deletes_more_rows_than_the_file_has_is_corrupt(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    fine = add("a", deletionVector=VECTOR, stats='{"numRecords":6}')
    log.commit(0, *HEAD, fine)
    assert vectors(tmp_path) == {"a": EXPECTED}
    log.commit(1, add("b", deletionVector=VECTOR, stats='{"numRecords":5}'))
    with pytest.raises(
        LogCorruptError, match="version 1: the deletion vector of file b deletes 6 rows of 5"
    ):
        read(tmp_path)


DESCRIPTORS = st.fixed_dictionaries(
    {
        "storageType": st.sampled_from("uip"),
        "pathOrInlineDv": st.sampled_from(["a", "a@1", "b"]),
        "offset": st.none() | st.integers(0, 3),
        "sizeInBytes": st.just(1),
        "cardinality": st.just(1),
    }
)


@given(st.lists(st.none() | DESCRIPTORS))
def test_a_vectors_id_is_its_storage_its_path_and_its_offset(found: list[Any]) -> None:
    # Delta PROTOCOL.md: uniqueId is storageType + pathOrInlineDv, then @offset where there is one.
    expected = [
        None
        if one is None
        else one["storageType"]
        + one["pathOrInlineDv"]
        + ("" if one["offset"] is None else f"@{one['offset']}")
        for one in found
    ]
    column = pa.chunked_array([descriptors_from_json(found)])
    assert unique_ids(column).to_pylist() == expected
