"""Fetched ranges: read at their place in the file, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream.fetch import Fetched
from deltastream.types import ByteRange

DATA = bytes(range(200))


def fetched(*ranges: tuple[int, int]) -> Fetched:
    return Fetched(len(DATA), [(ByteRange(*ends), DATA[slice(*ends)]) for ends in ranges])


def test_what_one_range_has_is_a_view() -> None:
    some = fetched((100, 150), (10, 50))
    for start, stop in [(10, 50), (12, 13), (100, 150), (149, 150)]:
        found = some.read(start, stop)
        assert bytes(found) == DATA[start:stop]
    buffer = bytearray(DATA)
    whole = Fetched(len(DATA), [(ByteRange(0, len(DATA)), buffer)])  # type: ignore[list-item]
    view = whole.read(3, 5)
    buffer[3] = 99
    assert view[0] == 99


def test_ranges_that_lie_end_to_end_are_read_across() -> None:
    some = fetched((50, 90), (10, 50), (90, 200))
    assert bytes(some.read(20, 180)) == DATA[20:180]


@pytest.mark.parametrize(("start", "stop"), [(0, 11), (40, 60), (45, 110), (150, 151), (9, 10)])
def test_what_was_not_fetched_is_refused(start: int, stop: int) -> None:
    with pytest.raises(EOFError, match=f"{start}, {stop}"):
        fetched((10, 50), (100, 150)).read(start, stop)


def test_it_is_a_file_of_its_ranges() -> None:
    some = fetched((10, 50), (100, 150))
    assert not some.is_whole
    with some.open() as file:
        assert file.size() == len(DATA)
        file.seek(105)
        assert file.read(20) == DATA[105:125]
        file.seek(0)
        with pytest.raises(OSError, match="not fetched"):
            file.read(5)


def test_a_whole_file_is_read_as_parquet() -> None:
    sink = pa.BufferOutputStream()
    rows = pa.table({"x": range(1000)})
    pq.write_table(rows, sink)
    data = sink.getvalue().to_pybytes()
    cut = len(data) // 3
    for cuts in ([0, len(data)], [0, cut, len(data)]):
        parts = [(ByteRange(start, stop), data[start:stop]) for start, stop in pairwise(cuts)]
        some = Fetched(len(data), parts)
        assert some.is_whole
        with some.open() as file:
            assert pq.read_table(file).equals(rows)
