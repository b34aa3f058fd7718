from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deltastream.options import LANES_PER_CONSUMER, MIN_LANE_BATCHES, MIN_LANE_WINDOWS
from deltastream.plan import choose_lanes

CONSUMERS = st.integers(1, 40)
PLENTY = {"num_rows": 10**12, "num_windows": 10**12, "window_nbytes": 1, "budget_nbytes": 10**12}


@given(CONSUMERS)
def test_without_shuffle_there_is_one_lane_a_consumer(num_consumers: int) -> None:
    lanes = choose_lanes(num_consumers=num_consumers, batch_size=1, shuffle=False, **PLENTY)
    assert lanes == num_consumers


@given(
    CONSUMERS,
    st.integers(0, 10**6),
    st.integers(1, 1000),
    st.integers(1, 10**4),
    st.integers(1, 1 << 20),
    st.integers(1, 1 << 24),
)
def test_with_shuffle_every_consumer_gets_as_many_lanes_within_the_limits(
    num_consumers: int,
    num_rows: int,
    batch_size: int,
    num_windows: int,
    window_nbytes: int,
    budget_nbytes: int,
) -> None:
    lanes = choose_lanes(
        num_consumers=num_consumers,
        num_rows=num_rows,
        batch_size=batch_size,
        shuffle=True,
        num_windows=num_windows,
        window_nbytes=window_nbytes,
        budget_nbytes=budget_nbytes,
    )
    each, rest = divmod(lanes, num_consumers)
    assert rest == 0
    assert 1 <= each <= LANES_PER_CONSUMER
    if each > 1:
        assert 2 * each * window_nbytes <= budget_nbytes
        assert num_rows // (lanes * batch_size) >= MIN_LANE_BATCHES
        assert num_windows // lanes >= MIN_LANE_WINDOWS


@given(CONSUMERS)
def test_where_nothing_limits_it_the_number_with_the_most_divisors_is_taken(
    num_consumers: int,
) -> None:
    def divisors(number: int) -> int:
        return sum(number % d == 0 for d in range(1, number + 1))

    lanes = choose_lanes(num_consumers=num_consumers, batch_size=1, shuffle=True, **PLENTY)
    allowed = [num_consumers * k for k in range(1, LANES_PER_CONSUMER + 1)]
    assert divisors(lanes) == max(map(divisors, allowed))
    # The smallest of equals: fewer open windows.
    assert lanes == min(n for n in allowed if divisors(n) == divisors(lanes))
