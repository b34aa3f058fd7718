from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.engine.slots import OrderedSlots, Slot

NUM_RESULTS = 8


class Receiver:
    """Takes what the slots hand on; refuses every value while it is full."""

    def __init__(self) -> None:
        self.received: list[int | str] = []
        self.is_full = False
        self.slots: OrderedSlots[int] = OrderedSlots(self._take, self._end)

    def _take(self, value: int) -> bool:
        if not self.is_full:
            self.received.append(value)
        return not self.is_full

    def _end(self, error: BaseException | None) -> None:
        self.received.append("end" if error is None else f"failed: {error.args[0]}")


def expected(done: set[int], failing: set[int], num_closed: int | None) -> list[int | str]:
    """What must have been received: up to the first that is not done, or the first failure."""
    found: list[int | str] = []
    for index in range(NUM_RESULTS):
        if index not in done:
            return found
        if index in failing:
            return [*found, f"failed: {index}"]
        found.append(index)
    return found if num_closed is None else [*found, "end"]


@given(
    st.permutations(range(NUM_RESULTS)),
    st.sets(st.integers(0, NUM_RESULTS - 1), max_size=3),
    st.integers(0, NUM_RESULTS),
    st.lists(st.booleans(), min_size=NUM_RESULTS, max_size=NUM_RESULTS),
)
def test_results_leave_in_the_order_of_their_places_and_a_failure_at_its_own(
    completion: list[int], failing: set[int], close_at: int, full: list[bool]
) -> None:
    receiver = Receiver()
    places = [receiver.slots.reserve() for _ in range(NUM_RESULTS)]
    done: set[int] = set()
    closed = None
    for step, index in enumerate(completion):
        if step == close_at:
            receiver.slots.close()
            closed = step
        receiver.is_full = full[step]
        before = list(receiver.received)
        if index in failing:
            places[index].fail(LookupError(index))
        else:
            places[index].set(index)
        done.add(index)
        if receiver.is_full:
            # Nothing but an end can pass, and nothing is lost: it is offered again.
            assert [v for v in receiver.received if isinstance(v, int)] == [
                v for v in before if isinstance(v, int)
            ]
            receiver.is_full = False
            receiver.slots.resume()
        assert receiver.received == expected(done, failing, closed)
    receiver.slots.close()
    receiver.slots.close()
    receiver.slots.resume()
    assert receiver.received == expected(done, failing, 0)


def set_twice(slot: Slot[int]) -> None:
    slot.set(1)
    slot.set(2)


def set_and_fail(slot: Slot[int]) -> None:
    slot.set(1)
    slot.fail(LookupError("late"))


def fail_twice(slot: Slot[int]) -> None:
    slot.fail(LookupError("first"))
    slot.fail(LookupError("second"))


def fail_and_set(slot: Slot[int]) -> None:
    slot.fail(LookupError("first"))
    slot.set(1)


@pytest.mark.parametrize(
    ("act", "received"),
    [
        (set_twice, [1]),
        (set_and_fail, [1]),
        (fail_twice, ["failed: first"]),
        (fail_and_set, ["failed: first"]),
    ],
)
@pytest.mark.parametrize("is_head", [True, False])
def test_of_several_outcomes_of_one_place_the_first_counts(
    act: Callable[[Slot[int]], None], received: list[int | str], is_head: bool
) -> None:
    receiver = Receiver()
    head = None if is_head else receiver.slots.reserve()
    act(receiver.slots.reserve())
    if head is not None:
        assert receiver.received == []
        head.set(0)
        received = [0, *received]
    assert receiver.received == received


def test_slots_that_are_closed_end_at_once_where_nothing_is_waited_for() -> None:
    receiver = Receiver()
    assert repr(receiver.slots) == "<OrderedSlots open, 0 waiting>"
    receiver.slots.close()
    assert receiver.received == ["end"]
    assert repr(receiver.slots) == "<OrderedSlots ended, 0 waiting>"


def test_after_a_failure_nothing_more_is_handed_on() -> None:
    receiver = Receiver()
    failing, later = receiver.slots.reserve(), receiver.slots.reserve()
    failing.fail(LookupError("row group 3"))
    later.set(1)
    receiver.slots.reserve().set(2)
    receiver.slots.close()
    assert receiver.received == ["failed: row group 3"]


def test_a_failure_comes_after_what_lies_before_it() -> None:
    receiver = Receiver()
    first, failing = receiver.slots.reserve(), receiver.slots.reserve()
    failing.fail(LookupError("row group 3"), after=2)
    first.set(1)
    assert receiver.received == [1, 2, "failed: row group 3"]
