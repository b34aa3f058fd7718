from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from deltastream.decode import parse_deletion_vector
from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.errors import (
    DeltaStreamError,
    FileCorruptError,
    FileMissingError,
    LogCorruptError,
    UnsupportedFeatureError,
)
from deltastream.fetch import DeletionVectors
from deltastream.fetch.vector_location import stored_path
from deltastream.storage import Buffer, LocalStorage
from deltastream.types import ByteRange, DeletionVector
from tests.support.logs import LogFolder, add, metadata, protocol, read
from tests.support.vectors import (
    bitmap,
    inline_vector,
    numbered_files,
    stored_vector,
    vector_file,
    write_files_with_vectors,
)

SIZES = [100, 50, 10, 200_000]
DELETED = [[0, 99], None, [], list(range(0, 200_000, 3))]


class WatchedStorage(LocalStorage):
    """Notes what is asked for."""

    def __init__(self, root: Path, pool: DecodePool) -> None:
        super().__init__(str(root), pool)
        self.asked: list[tuple[str, ByteRange | None]] = []

    async def read(
        self,
        path: str,
        byte_range: ByteRange | None = None,
        *,
        object_nbytes: int | None = None,
        identity: str | None = None,
        afresh: bool = False,
    ) -> Buffer:
        self.asked.append((path, byte_range))
        return await super().read(path, byte_range, object_nbytes=object_nbytes)


def read_rows(
    root: Path, files: Sequence[int], *, num_records: Sequence[int] = SIZES
) -> tuple[dict[int, list[int]], list[tuple[str, ByteRange | None]]]:
    """The rows that the vectors of `files` delete, and what was read for it."""
    pool = DecodePool(2)
    storage = WatchedStorage(root, pool)
    vectors = DeletionVectors(read(root), storage, np.array(num_records))
    try:
        stored = run_in_loop(lambda: vectors.read(files))
    finally:
        pool.close()
    found = {}
    for file, data in stored.items():
        vector = vectors.find(file)
        assert vector is not None
        selection = parse_deletion_vector(
            data, vector, num_records=num_records[file], context=vectors.context(file, vector)
        )
        found[file] = list(selection.dropped)
    return found, storage.asked


def write_one(root: Path, **vector: object) -> Path:
    """A table of one file of 100 rows with this descriptor."""
    log = LogFolder(root)
    stats = '{"numRecords": 100}'
    log.commit(
        0,
        protocol(3, ["deletionVectors"]),
        metadata(),
        add("part-0.parquet", stats=stats, deletionVector=vector),
    )
    return root


@pytest.mark.parametrize("kind", ["u", "p", "i"])
@pytest.mark.parametrize("prefix", ["", "ab"])
def test_vectors_are_read_wherever_they_are(tmp_path: Path, kind: str, prefix: str) -> None:
    root = tmp_path / "a table%20 ü"
    write_files_with_vectors(root, numbered_files(SIZES, DELETED), kind=kind, prefix=prefix)
    found, asked = read_rows(root, range(4))
    assert found == {0: DELETED[0], 2: [], 3: DELETED[3]}
    # All of one vector file in one piece.
    assert len(asked) == (0 if kind == "i" else 1)


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    write_files_with_vectors(tmp_path / "t", numbered_files(SIZES, DELETED))
    assert read_rows(tmp_path / "t", [1]) == ({}, [])
    found, asked = read_rows(tmp_path / "t", [0, 1])
    assert list(found) == [0]
    assert all(part is not None and part.stop < 100 for _, part in asked)


def test_vectors_far_apart_in_one_file_are_asked_for_apart(tmp_path: Path) -> None:
    log = LogFolder(tmp_path / "t")
    uuid = uuid4()
    data, offsets = vector_file([bitmap([1]), bitmap([2, 3])], gap_nbytes=3 << 20)
    (tmp_path / "t" / f"deletion_vector_{uuid}.bin").write_bytes(data)
    vectors = [stored_vector(r, o, uuid=uuid) for r, o in zip([[1], [2, 3]], offsets, strict=True)]
    adds = [
        add(f"part-{i}", modified_ms=i, deletionVector=vector) for i, vector in enumerate(vectors)
    ]
    log.commit(0, protocol(3, ["deletionVectors"]), metadata(), *adds)
    found, asked = read_rows(tmp_path / "t", [0, 1], num_records=[100, 100])
    assert found == {0: [1], 1: [2, 3]}
    assert len(asked) == 2
    assert sum(part.stop - part.start for _, part in asked if part is not None) < 200


def test_the_example_of_the_protocol_names_the_file_that_it_says() -> None:
    """Delta PROTOCOL.md, "Deletion Vectors", examples 1 and 2."""
    name = "deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
    relative = DeletionVector("u", "ab^-aqEH.-t@S}K{vb[*k^", 4, 40, 6)
    absolute = DeletionVector("p", f"s3://mytable/a%20b/{name}", 4, 40, 6)
    assert stored_path(relative) == f"ab/{name}"
    assert stored_path(absolute) == f"s3://mytable/a b/{name}"


def test_a_vector_without_an_offset_is_the_first_of_its_file(tmp_path: Path) -> None:
    uuid = uuid4()
    vector = stored_vector([5], 1, uuid=uuid)
    write_one(tmp_path / "t", **vector | {"offset": None})
    path = tmp_path / "t" / f"deletion_vector_{uuid}.bin"
    path.write_bytes(vector_file([bitmap([5])])[0])
    assert read_rows(tmp_path / "t", [0], num_records=[100])[0] == {0: [5]}


def test_a_vector_file_that_is_gone_is_missing_by_name(tmp_path: Path) -> None:
    uuid = UUID(int=5)
    write_one(tmp_path / "t", **stored_vector([5], 1, uuid=uuid))
    with pytest.raises(FileMissingError, match=rf"version 0.*part-0.*{uuid}\.bin.*VACUUM"):
        read_rows(tmp_path / "t", [0], num_records=[100])


def test_a_vector_file_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    uuid = uuid4()
    write_one(tmp_path / "t", **stored_vector([5], 1, uuid=uuid))
    data, _ = vector_file([bitmap([5])])
    path = tmp_path / "t" / f"deletion_vector_{uuid}.bin"
    for length in (0, 1, 9, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(FileCorruptError, match=f"has {length} bytes.*end at byte {len(data)}"):
            read_rows(tmp_path / "t", [0], num_records=[100])


@pytest.mark.parametrize("size", [300_000, 2**31 - 1])
def test_a_size_that_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path, size: int
) -> None:
    write_one(tmp_path / "t", **stored_vector([5], 1, uuid=uuid4()) | {"sizeInBytes": size})
    with pytest.raises(LogCorruptError, match="sizeInBytes"):
        read_rows(tmp_path / "t", [0], num_records=[100])


def test_a_long_vector_is_not_read_before_its_file_is_known_to_be_that_long(
    tmp_path: Path,
) -> None:
    uuid = uuid4()
    write_one(tmp_path / "t", **stored_vector([5], 1, uuid=uuid) | {"sizeInBytes": 2**31 - 1})
    path = tmp_path / "t" / f"deletion_vector_{uuid}.bin"
    path.write_bytes(vector_file([bitmap([5])])[0])
    with pytest.raises(FileCorruptError, match=f"has {path.stat().st_size} bytes"):
        read_rows(tmp_path / "t", [0], num_records=[1 << 40])


@pytest.mark.parametrize(
    "descriptor",
    [
        {"storageType": "u", "pathOrInlineDv": "short"},
        {"storageType": "u", "pathOrInlineDv": "~" * 20},
        {"storageType": "p", "pathOrInlineDv": ""},
        {"storageType": "i", "pathOrInlineDv": "abcd"},
        {"storageType": "i", "pathOrInlineDv": "abcde"},
    ],
    ids=str,
)
def test_a_descriptor_that_cannot_be_is_refused_by_name(
    tmp_path: Path, descriptor: dict[str, object]
) -> None:
    write_one(tmp_path / "t", **stored_vector([5], 1, uuid=uuid4()) | descriptor)
    with pytest.raises(LogCorruptError, match=r"version 0.*part-0\.parquet.*deletion vector"):
        read_rows(tmp_path / "t", [0], num_records=[100])


def test_a_vector_in_an_object_store_is_refused_by_name(tmp_path: Path) -> None:
    vector = inline_vector([5]) | {"storageType": "p", "pathOrInlineDv": "s3://b/v.bin"}
    write_one(tmp_path / "t", **vector)
    with pytest.raises(UnsupportedFeatureError, match=r"s3://b/v\.bin"):
        read_rows(tmp_path / "t", [0], num_records=[100])


def test_one_bad_vector_of_several_raises_its_own_error(tmp_path: Path) -> None:
    files = numbered_files([10, 10], [[1], [2]])
    root = write_files_with_vectors(tmp_path / "t", files)
    (path,) = root.glob("*.bin")
    path.unlink()
    with pytest.raises(DeltaStreamError) as raised:
        read_rows(root, [0, 1])
    assert not isinstance(raised.value, BaseExceptionGroup)
