from __future__ import annotations

import random
import zlib
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.decode import parse_deletion_vector
from deltastream.errors import DeltaStreamError, FileCorruptError, UnsupportedFeatureError
from deltastream.types import DeletionVector, FileContext
from tests.support.vectors import bitmap, vector_file

CONTEXT = FileContext("/table", 7, "part-0.parquet", None, "deletion vector 'uX@1'")
ROWS = [0, 3, 4, 999, 70_000]
NUM_RECORDS = 100_000


def inline(data: bytes, cardinality: int) -> DeletionVector:
    return DeletionVector("i", "", None, len(data), cardinality)


def parse(stored: bytes, vector: DeletionVector) -> list[int]:
    found = parse_deletion_vector(stored, vector, num_records=NUM_RECORDS, context=CONTEXT)
    return list(found.dropped)


def stored(data: bytes) -> tuple[bytes, DeletionVector]:
    return vector_file([data])[0], DeletionVector("u", "X", 1, len(data), len(ROWS))


@given(st.sets(st.integers(0, NUM_RECORDS - 1)))
def test_the_rows_that_were_written_are_those_that_are_deleted(rows: set[int]) -> None:
    data = bitmap(rows)
    assert parse(data, inline(data, len(rows))) == sorted(rows)
    vector = DeletionVector("u", "X", 1, len(data), len(rows))
    assert parse(vector_file([data])[0], vector) == sorted(rows)


def test_a_vector_without_bytes_deletes_nothing_and_may_not_say_that_it_does() -> None:
    assert parse(b"", inline(b"", 0)) == []
    with pytest.raises(FileCorruptError, match="magic number is 0"):
        parse(b"", inline(b"", 1))


@pytest.mark.parametrize(
    ("byte", "message"),
    [(0, "version 0"), (4, "says that it has"), (20, "checksum"), (-1, "checksum")],
)
def test_a_vector_file_that_is_damaged_is_refused_by_name(byte: int, message: str) -> None:
    file, vector = stored(bitmap(ROWS))
    damaged = bytearray(file)
    damaged[byte] ^= 1
    with pytest.raises(FileCorruptError, match=rf"/table version 7.*part-0.*uX@1.*{message}"):
        parse(bytes(damaged), vector)


def test_another_magic_number_is_refused() -> None:
    with pytest.raises(FileCorruptError, match="magic number is 5"):
        parse(bitmap(ROWS, magic=5), inline(bitmap(ROWS), len(ROWS)))


@pytest.mark.parametrize("order", ["little", "big"])
def test_the_format_from_before_the_protocol_is_refused_by_name(
    order: Literal["little", "big"],
) -> None:
    data = (1681511376).to_bytes(4, order) + bytes(36)
    with pytest.raises(UnsupportedFeatureError, match="native format"):
        parse(data, inline(data, 6))


@pytest.mark.parametrize("data", [b"", b"\xd1", bitmap([])[:4], bitmap(ROWS)[:-3]])
def test_a_bitmap_that_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(FileCorruptError):
        parse(data, inline(data, len(ROWS)))


def test_another_number_of_rows_than_the_log_says_is_refused() -> None:
    data = bitmap(ROWS)
    with pytest.raises(FileCorruptError, match="deletes 5 rows, the log says 4"):
        parse(data, inline(data, 4))


def test_a_row_that_the_file_has_not_is_refused() -> None:
    for row in (NUM_RECORDS, 1 << 40, (1 << 64) - 1):
        data = bitmap([row])
        with pytest.raises(FileCorruptError, match=f"deletes row {row}"):
            parse(data, inline(data, 1))


@pytest.mark.parametrize("size", [3, 5000])
def test_whatever_the_bytes_are_there_is_a_typed_error_or_a_result(size: int) -> None:
    """Inline vectors have no checksum, so every byte of them may be anything."""
    chance = random.Random(size)
    good = bitmap(chance.sample(range(NUM_RECORDS), size))
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(4, len(data))] = chance.randrange(256)
        data = data[: chance.randint(4, len(data))] if chance.random() < 0.3 else data
        vector = inline(bytes(data), size)
        try:
            found = parse_deletion_vector(
                bytes(data), vector, num_records=NUM_RECORDS, context=CONTEXT
            )
        except DeltaStreamError:
            continue
        # What passes is consistent: no row group would come out with another number of rows than was counted.
        assert found.num_dropped == size
        assert NUM_RECORDS - len(found.live_rows(0, NUM_RECORDS)) == size
        assert found.dropped.range_cardinality(0, NUM_RECORDS) == size


def test_a_vector_that_is_right_but_for_its_own_size_is_refused() -> None:
    file, vector = stored(bitmap(ROWS))
    longer = replace(vector, nbytes=vector.nbytes + 4)
    with pytest.raises(FileCorruptError, match="the log says"):
        parse(file + zlib.crc32(b"").to_bytes(4, "big"), longer)
