from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deltastream.fetch.coalesce import coalesce
from deltastream.types import ByteRange

RANGES = st.lists(
    st.builds(
        lambda start, length: ByteRange(start, start + length),
        st.integers(0, 60),
        st.integers(1, 12),
    ),
    max_size=8,
)


def test_neighbours_are_asked_for_together_and_distant_ranges_apart() -> None:
    wanted = [ByteRange(40, 50), ByteRange(0, 1), ByteRange(1, 9), ByteRange(12, 20)]
    assert coalesce(wanted, max_gap_nbytes=3, max_nbytes=100) == [
        ByteRange(0, 20),
        ByteRange(40, 50),
    ]
    assert coalesce(wanted, max_gap_nbytes=20, max_nbytes=100) == [ByteRange(0, 50)]


def test_a_range_is_no_longer_than_the_most_unless_it_is_one_that_was_wanted() -> None:
    wanted = [ByteRange(0, 10), ByteRange(10, 20), ByteRange(20, 70)]
    assert coalesce(wanted, max_gap_nbytes=0, max_nbytes=20) == [
        ByteRange(0, 20),
        ByteRange(20, 70),
    ]


@given(RANGES, st.integers(0, 10), st.integers(1, 40))
def test_whatever_is_wanted_lies_inside_one_range(
    wanted: list[ByteRange], gap: int, most: int
) -> None:
    found = coalesce(wanted, max_gap_nbytes=gap, max_nbytes=most)
    assert found == sorted(found)
    for part in wanted:
        assert any(one.start <= part.start and part.stop <= one.stop for one in found)
    for one in found:
        # It begins and ends with something that is wanted, and no gap inside is too long.
        inside = [p for p in wanted if one.start <= p.start and p.stop <= one.stop]
        assert min(p.start for p in inside) == one.start
        assert max(p.stop for p in inside) == one.stop
        assert one.stop - one.start <= max(most, max(p.stop - p.start for p in inside))
        covered = {byte for p in inside for byte in range(p.start, p.stop)}
        empty = 0
        for byte in range(one.start, one.stop):
            empty = 0 if byte in covered else empty + 1
            assert empty <= gap
