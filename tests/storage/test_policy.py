from __future__ import annotations

from deltastream.storage.policy import Attempts, FaultPolicy
from deltastream.storage.transport import TransientError

POLICY = FaultPolicy(give_up_s=25.0, stall_s=4.0)
NBYTES = 8 << 20
ERROR = TransientError("nothing came")


def attempts() -> Attempts:
    return Attempts(POLICY, nbytes=NBYTES, now_s=0.0)


def stall(one: Attempts, *, after_s: float) -> float:
    """Begin attempts that bring a byte at once and then nothing, until there are no more; return when that was."""
    now_s = 0.0
    while True:
        one.begin()
        one.progressed(now_s)
        waited_s = min(after_s, one.gives_up_s() - now_s)
        now_s += waited_s
        one.stalled(waited_s)
        wait_s = one.wait_s(ERROR, now_s=now_s, chance=1.0)
        if wait_s is None:
            return now_s
        now_s += wait_s


def test_answers_that_stop_again_and_again_are_given_up_in_time() -> None:
    one = attempts()
    assert stall(one, after_s=4.0) < 30.0
    assert one.number >= 6


def test_a_stall_now_and_then_costs_a_long_request_nothing() -> None:
    one, now_s = attempts(), 0.0
    for _ in range(5):
        one.begin()
        one.stalled(4.0)
        one.progressed(now_s := now_s + 5.0)
    assert one.gives_up_s() == now_s + 5.0


def test_a_slow_body_has_the_time_of_its_size() -> None:
    one = attempts()
    one.begin()
    for now_s in range(0, 10_000, 10):
        one.progressed(float(now_s))
    assert one.gives_up_s() == 25.0 + NBYTES / POLICY.slowest_nbytes_per_s


def test_a_body_that_turns_out_larger_has_more_time() -> None:
    one = attempts()
    one.expects(NBYTES // 2)
    one.expects(2 * NBYTES)
    one.begin()
    one.progressed(1e9)
    assert one.gives_up_s() == 25.0 + 2 * NBYTES / POLICY.slowest_nbytes_per_s


def test_waits_grow_and_end_with_the_attempts() -> None:
    one = attempts()
    waits: list[float | None] = []
    for _ in range(POLICY.max_attempts):
        one.begin()
        waits.append(one.wait_s(ERROR, now_s=0.0, chance=1.0))
    assert waits[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4.0]
    assert waits[-1] is None


def test_time_in_the_queue_does_not_count() -> None:
    one = attempts()
    before = one.gives_up_s()
    one.begin()
    one.waited(20.0)
    assert one.gives_up_s() == before + 20.0
