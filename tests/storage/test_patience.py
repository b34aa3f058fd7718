from __future__ import annotations

import random

import pytest

from deltastream.storage.patience import Patience
from deltastream.storage.policy import FaultPolicy

POLICY = FaultPolicy(stall_s=4.0, least_stall_s=0.5)


def after(waits_s: list[float]) -> Patience:
    patience = Patience(POLICY)
    for wait_s in waits_s:
        patience.waited(wait_s)
    return patience


def test_a_store_that_is_not_known_yet_is_given_all_the_time() -> None:
    assert after([0.03] * 7).stall_s(1) == 4.0


def test_where_answers_are_quick_one_that_does_not_come_is_soon_given_up() -> None:
    assert after([0.03] * 8).stall_s(1) == 0.5
    assert after([0.2] * 8).stall_s(1) == pytest.approx(1.0)


def test_every_attempt_in_a_row_is_twice_as_patient_and_none_more_than_the_most() -> None:
    patience = after([0.2] * 64)
    assert [patience.stall_s(n) for n in range(1, 6)] == pytest.approx([1, 2, 4, 4, 4])
    assert patience.stall_s(2000) == 4.0


def test_answers_that_never_come_now_and_then_change_nothing_and_a_slow_store_does(
    seed: int,
) -> None:
    patience = after([0.05] * 64)
    draw = random.Random(seed)
    for _ in range(1000):
        patience.waited(patience.stall_s(1) if draw.random() < 0.02 else 0.05)
    assert patience.stall_s(1) == 0.5
    # Now nothing comes within half a second; every attempt is broken off, and says so.
    for _ in range(8):
        patience.waited(patience.stall_s(1))
    assert patience.stall_s(1) > 2.0
