from __future__ import annotations

from collections import Counter
from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import OptionError
from deltastream.options import OrderOptions
from deltastream.plan import Consumer, Schedule
from tests.support.orders import TableSizes

RANKS = st.integers(1, 7)
WORKERS = st.integers(1, 5)


@st.composite
def starts(draw: st.DrawFn) -> tuple[int, int, int]:
    """Microbatches, start and ranks, as many microbatches as ranks at least."""
    world_size = draw(RANKS)
    num_microbatches = draw(st.integers(world_size, 40))
    return num_microbatches, draw(st.integers(0, num_microbatches)), world_size


def rank_schedules(
    num_microbatches: int, start: int, world_size: int, *, pad: bool, drop_last: bool
) -> list[Schedule]:
    return [
        Schedule(num_microbatches, start, Consumer(world_size, rank), pad, drop_last)
        for rank in range(world_size)
    ]


def merged(schedules: list[Schedule]) -> list[tuple[int, bool]]:
    """What the ranks take, in the order of their steps."""
    steps = range(max(schedule.num_steps for schedule in schedules))
    return [s.microbatch(t) for t in steps for s in schedules if t < s.num_steps]


@given(starts(), st.booleans())
def test_the_ranks_steps_merged_are_the_numbered_sequence(
    case: tuple[int, int, int], pad: bool
) -> None:
    num_microbatches, start, _ = case
    taken = merged(rank_schedules(*case, pad=pad, drop_last=False))
    numbers = [number for number, repeated in taken if not repeated]
    assert numbers == list(range(start, num_microbatches))


@given(starts(), st.booleans())
def test_with_drop_last_the_ranks_take_whole_rounds_and_repeat_nothing(
    case: tuple[int, int, int], pad: bool
) -> None:
    num_microbatches, start, world_size = case
    rounds = (num_microbatches - start) // world_size
    schedules = rank_schedules(*case, pad=pad, drop_last=True)
    assert {s.num_steps for s in schedules} == {rounds}
    numbers = range(start, start + rounds * world_size)
    assert merged(schedules) == [(number, False) for number in numbers]


@given(starts())
def test_padded_ranks_take_equally_many_steps(case: tuple[int, int, int]) -> None:
    num_microbatches, start, world_size = case
    schedules = rank_schedules(*case, pad=True, drop_last=False)
    assert {s.num_steps for s in schedules} == {-(-(num_microbatches - start) // world_size)}


@given(starts())
def test_a_rank_short_of_a_microbatch_repeats_its_previous_one_at_its_last_step(
    case: tuple[int, int, int],
) -> None:
    num_microbatches, start, world_size = case
    for schedule in rank_schedules(*case, pad=True, drop_last=False):
        for step in range(schedule.num_steps):
            number, repeated = schedule.microbatch(step)
            assert 0 <= number < num_microbatches
            if repeated:
                assert step == schedule.num_steps - 1
                # The rank's previous one, which lies before the start if this is its first step.
                assert number == start + (step - 1) * world_size + schedule.consumer.rank


@given(starts())
def test_without_padding_ranks_end_at_most_one_step_apart_the_first_last(
    case: tuple[int, int, int],
) -> None:
    schedules = rank_schedules(*case, pad=False, drop_last=False)
    steps = [schedule.num_steps for schedule in schedules]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] - steps[-1] <= 1
    assert not any(repeated for _, repeated in merged(schedules))


@given(starts(), st.integers(1, 6), st.booleans(), st.booleans())
def test_a_rank_has_as_many_steps_as_it_says_and_its_workers_take_turns(
    case: tuple[int, int, int], num_workers: int, pad: bool, drop_last: bool
) -> None:
    num_microbatches, start, world_size = case
    for rank in range(world_size):
        consumers = [Consumer(world_size, rank, num_workers, w) for w in range(num_workers)]
        schedules = [Schedule(num_microbatches, start, c, pad, drop_last) for c in consumers]
        served = [list(schedule.steps()) for schedule in schedules]
        # A DataLoader asks its workers in turn, worker 0 first, until each has ended.
        in_turn = [steps[i] for i in range(len(served[0])) for steps in served if i < len(steps)]
        assert in_turn == list(range(schedules[0].num_steps))


@given(starts(), st.integers(0, 5), RANKS)
def test_what_remains_after_a_stop_is_the_tail_of_the_same_sequence_for_any_ranks(
    case: tuple[int, int, int], rounds: int, new_world_size: int
) -> None:
    num_microbatches, start, world_size = case
    schedules = rank_schedules(*case, pad=True, drop_last=False)
    before = [n for n, repeated in merged(schedules) if not repeated]
    stop = min(start + rounds * world_size, num_microbatches)
    if num_microbatches < new_world_size:
        return
    after = rank_schedules(num_microbatches, stop, new_world_size, pad=True, drop_last=False)
    rest = [n for n, repeated in merged(after) if not repeated]
    assert before[: stop - start] + rest == before


@given(RANKS, WORKERS, st.integers(1, 12), st.integers(0, 30))
def test_a_lane_is_read_by_as_many_consumers_as_the_reading_factor_says(
    world_size: int, num_workers: int, lanes: int, start: int
) -> None:
    num_consumers = world_size * num_workers
    # Long enough for every consumer to come round to every lane it will ever read.
    num_microbatches = start + lanes * num_consumers
    consumers = [
        Consumer(world_size, rank, num_workers, worker)
        for rank in range(world_size)
        for worker in range(num_workers)
    ]
    readers: Counter[int] = Counter()
    for consumer in consumers:
        schedule = Schedule(num_microbatches, start, consumer, pad=False, drop_last=False)
        open_lanes = {schedule.microbatch(step)[0] % lanes for step in schedule.steps()}
        assert len(open_lanes) == lanes // gcd(num_consumers, lanes)
        readers.update(open_lanes)
        if lanes % num_consumers == 0:
            own = consumer.worker * world_size + consumer.rank
            assert {(lane - start) % num_consumers for lane in open_lanes} == {own}
    factor = Schedule(num_microbatches, start, consumers[0], False, False).reading_factor(lanes)
    assert set(readers.values()) == {factor}


@given(RANKS, WORKERS, st.integers(1, 6), st.booleans())
def test_every_topology_reads_the_same_batches_of_one_order(
    world_size: int, num_workers: int, lanes: int, shuffle: bool
) -> None:
    table = TableSizes(((30, 20), (17,), (), (44, 1)), (1, 2, 3, 4))
    order = table.order(OrderOptions(7, shuffle=shuffle), lanes=lanes)
    by_step = {}
    for rank in range(world_size):
        for worker in range(num_workers):
            consumer = Consumer(world_size, rank, num_workers, worker)
            schedule = Schedule(order.num_microbatches, 0, consumer, pad=True, drop_last=False)
            for step in schedule.steps():
                number, repeated = schedule.microbatch(step)
                if not repeated:
                    by_step[step, rank] = order.microbatch(number)
    found = [span for _, span in sorted(by_step.items())]
    assert found == [order.microbatch(number) for number in range(order.num_microbatches)]


@pytest.mark.parametrize("num_microbatches", [0, 1, 3])
def test_fewer_microbatches_than_ranks_are_refused(num_microbatches: int) -> None:
    with pytest.raises(
        OptionError, match=f"{num_microbatches} microbatches are too few for 4 ranks"
    ):
        Schedule(num_microbatches, 0, Consumer(4, 1), pad=True, drop_last=False)


def test_an_empty_table_is_an_empty_epoch_for_a_single_rank() -> None:
    for drop_last in (False, True):
        assert Schedule(0, 0, Consumer(), pad=False, drop_last=drop_last).num_steps == 0


@pytest.mark.parametrize("start", [-1, 11])
def test_a_start_outside_the_epoch_is_refused(start: int) -> None:
    with pytest.raises(OptionError, match="need 0 <= start <= 10 microbatches"):
        Schedule(10, start, Consumer(), pad=False, drop_last=False)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((2, 2, 1, 0), "rank 2 of 2"),
        ((2, -1, 1, 0), "rank -1 of 2"),
        ((0, 0, 1, 0), "rank 0 of 0"),
        ((1, 0, 2, 2), "worker < 2, got 2"),
        ((1, 0, 0, 0), "worker < 0, got 0"),
    ],
)
def test_a_consumer_outside_its_group_is_refused(
    numbers: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        Consumer(*numbers)
