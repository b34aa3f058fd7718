from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.storage.transports import pace as module
from deltastream.storage.transports.pace import Pace

KIB, MIB = 1 << 10, 1 << 20


def paced(*bodies: tuple[int, float]) -> Pace:
    pace = Pace()
    for nbytes, seconds in bodies:
        pace.came(nbytes, seconds)
    return pace


def test_before_anything_is_known_chunks_are_small() -> None:
    assert Pace().chunk_nbytes(8 * MIB) == 256 * KIB


def test_a_chunk_is_what_the_slowest_of_the_last_bodies_brings_in_a_twentieth_of_a_second() -> None:
    pace = paced(*[(8 * MIB, seconds) for seconds in (0.5, 0.4, 0.8)])
    assert pace.chunk_nbytes(8 * MIB) == 512 * KIB
    for _ in range(8):
        pace.came(8 * MIB, 0.5)
    assert pace.chunk_nbytes(8 * MIB) == int(0.8 * MIB)
    assert pace.chunk_nbytes(16 * MIB) == int(0.8 * MIB)


def test_a_body_that_is_to_come_in_a_quarter_of_a_second_is_taken_whole() -> None:
    pace = paced((8 * MIB, 0.1), (8 * MIB, 0.5))
    assert pace.chunk_nbytes(4 * MIB) == 4 * MIB
    assert pace.chunk_nbytes(4 * MIB + 1) == int(0.8 * MIB)
    assert pace.chunk_nbytes(0) == 0


def test_small_bodies_say_nothing_of_the_rate() -> None:
    assert paced((8 * MIB, 0.2), (1000, 0.5)).chunk_nbytes(16 * MIB) == MIB


def test_after_a_body_that_broke_off_chunks_stay_small_though_others_are_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(module, "monotonic", lambda: now_s)
    pace = paced((8 * MIB, 0.1))
    assert pace.chunk_nbytes(8 * MIB) == 8 * MIB
    pace.broke_off()
    pace.came(8 * MIB, 0.1)
    now_s += 29
    assert pace.chunk_nbytes(8 * MIB) == 256 * KIB
    now_s += 2
    assert pace.chunk_nbytes(8 * MIB) == 8 * MIB


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.floats(0, 1e6))), st.integers(0, 1 << 40))
def test_chunks_keep_within_their_bounds(bodies: list[tuple[int, float]], nbytes: int) -> None:
    found = paced(*bodies).chunk_nbytes(nbytes)
    assert found == nbytes or 256 * KIB <= found <= min(nbytes, MIB)
