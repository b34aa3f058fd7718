from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deltastream.storage.transports.pace import Pace

MIB = 1 << 20


def test_before_anything_is_known_chunks_are_small() -> None:
    assert Pace().chunk_nbytes() == MIB // 4


def test_a_chunk_is_what_the_slowest_of_the_last_bodies_brings_in_a_tenth_of_a_second() -> None:
    pace = Pace()
    for seconds in (0.5, 0.4, 0.8):
        pace.came(8 * MIB, seconds)
    assert pace.chunk_nbytes() == MIB
    for _ in range(8):
        pace.came(8 * MIB, 0.2)
    assert pace.chunk_nbytes() == 4 * MIB


def test_after_a_body_that_broke_off_chunks_are_small_again() -> None:
    pace = Pace()
    pace.came(8 * MIB, 0.1)
    assert pace.chunk_nbytes() == 8 * MIB
    pace.broke_off()
    assert pace.chunk_nbytes() == MIB // 4


def test_small_bodies_say_nothing_of_the_rate() -> None:
    pace = Pace()
    pace.came(8 * MIB, 0.2)
    pace.came(1000, 0.5)
    assert pace.chunk_nbytes() == 4 * MIB


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.floats(0, 1e6))))
def test_chunks_keep_within_their_bounds(bodies: list[tuple[int, float]]) -> None:
    pace = Pace()
    for nbytes, seconds in bodies:
        pace.came(nbytes, seconds)
        assert MIB // 4 <= pace.chunk_nbytes() <= 8 * MIB
