from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import Thread

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltastream.engine.budget import ByteBudget
from deltastream.engine.buffers import BufferPool, ColumnMemory, WindowMemory
from tests.support.loops import call_soon

MIB = 1 << 20

Bytes = npt.NDArray[np.uint8]


def make_budget() -> tuple[ByteBudget, Callable[[], int]]:
    """A budget without bound and a function that says how many bytes of it are in use."""
    budget = ByteBudget(1 << 40, call_soon=call_soon)

    def used() -> int:
        # A grant adds up what was charged and given back before it; this one never waits.
        with pytest.raises(StopIteration):
            budget.acquire(0).send(None)
        return budget.statistics().used_nbytes

    return budget, used


def make_pool() -> tuple[BufferPool, Callable[[], int]]:
    budget, used = make_budget()
    return BufferPool(budget), used


def address(array: Bytes) -> int:
    return int(array.ctypes.data)


VIEWS: dict[str, Callable[[Bytes], object]] = {
    "the array": lambda array: array,
    "a slice": lambda array: array[10:20],
    "another dtype and shape": lambda array: array[:64].view(np.float32).reshape(4, 4)[1:].T,
    "a tensor": lambda array: torch.from_numpy(array),
    "a part of a split tensor": lambda array: torch.from_numpy(array).split(100)[3],
    "a detached tensor": lambda array: torch.from_numpy(array).detach(),
    "an array of a tensor": lambda array: torch.from_numpy(array)[5:].numpy(),
    "an array of a detached slice": lambda array: torch.from_numpy(array)[7:9].detach().numpy(),
    "a memory view": lambda array: memoryview(array),
    "an opaque view": lambda array: array[:96].view("V12"),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("nbytes", [1000, 3 * MIB])
def test_memory_is_not_used_again_while_anything_views_it(name: str, nbytes: int) -> None:
    pool, used = make_pool()
    array = pool.take(nbytes)
    first = address(array)
    view = VIEWS[name](array)
    del array
    assert used() == nbytes
    others = [pool.take(nbytes) for _ in range(3)]
    spans = [(address(other), address(other) + nbytes) for other in others]
    assert not any(start < first + nbytes and first < stop for start, stop in spans)
    del view, others
    assert used() == 0


@pytest.mark.parametrize("name", VIEWS)
def test_memory_is_used_again_once_the_last_view_is_dropped(name: str) -> None:
    pool, _ = make_pool()
    array = pool.take(3 * MIB)
    first = address(array)
    view = VIEWS[name](array)
    del array, view
    assert pool.statistics().idle_nbytes == 3 * MIB
    assert address(pool.take(3 * MIB)) == first
    assert pool.statistics().num_reused == 1


@given(st.lists(st.integers(0, 6 * MIB), min_size=1, max_size=6))
def test_buffers_in_use_never_overlap_and_keep_what_was_written(sizes: list[int]) -> None:
    pool, used = make_pool()
    for _ in range(2):
        arrays = [pool.take(nbytes) for nbytes in sizes]
        for number, array in enumerate(arrays):
            array[:] = number
        for number, (array, nbytes) in enumerate(zip(arrays, sizes, strict=True)):
            assert array.shape == (nbytes,)
            assert array.flags.writeable
            assert nbytes == 0 or (array[0] == number and array[-1] == number)
        assert used() == sum(sizes)
        del arrays, array
        assert used() == 0


def test_a_buffer_a_quarter_too_large_is_used_again_and_a_larger_one_is_not() -> None:
    pool, _ = make_pool()
    large = address(pool.take(10 * MIB))
    assert address(pool.take(8 * MIB)) == large
    pool.take(7 * MIB)
    assert pool.statistics().num_reused == 1
    assert pool.statistics().num_taken == 3


def test_trimming_frees_idle_buffers_smallest_first_until_few_enough_bytes_stay() -> None:
    pool, _ = make_pool()
    arrays = [pool.take(size * MIB) for size in (4, 2, 9)]
    pool.trim(0)
    del arrays
    assert pool.statistics().idle_nbytes == 15 * MIB
    pool.trim(15 * MIB)
    assert pool.statistics().idle_nbytes == 15 * MIB
    pool.trim(14 * MIB)
    assert pool.statistics().idle_nbytes == 13 * MIB
    pool.trim(0)
    assert pool.statistics().idle_nbytes == 0


def test_a_closed_pool_holds_nothing_that_comes_back_but_lent_memory_stays_good() -> None:
    pool, used = make_pool()
    idle, lent = pool.take(2 * MIB), pool.take(3 * MIB)
    lent[:] = 7
    del idle
    pool.close()
    assert pool.statistics().idle_nbytes == 0
    assert bool((lent == 7).all())
    assert used() == 3 * MIB
    del lent
    assert pool.statistics().idle_nbytes == 0
    assert used() == 0


def test_adopted_memory_keeps_its_owner_and_its_charge_for_as_long_as_a_view() -> None:
    pool, used = make_pool()
    owner = np.arange(100, dtype=np.uint8)
    kept = weakref.ref(owner)
    tensor = torch.from_numpy(pool.adopt(owner.ctypes.data + 10, 50, owner))
    assert tensor.tolist() == list(range(10, 60))
    tensor += 1
    assert owner[10] == 11
    del owner
    assert kept() is not None
    assert used() == 50
    del tensor
    assert kept() is None
    assert used() == 0


def test_buffers_are_taken_and_dropped_in_several_threads() -> None:
    pool, used = make_pool()
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(100):
            array = pool.take(2 * MIB)
            array[::4096] = number
            if not (array[::4096] == number).all():
                wrong.append(number)
            del array

    threads = [Thread(target=work, args=(number,), name="test-take") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert used() == 0
    assert pool.statistics().num_taken == 400
    # Never more buffers than threads.
    assert pool.statistics().idle_nbytes <= 4 * 2 * MIB


@pytest.mark.parametrize("keeps", [True, False])
def test_a_view_of_decoded_memory_is_charged_where_the_window_keeps_it_and_holds_it_anyway(
    keeps: bool,
) -> None:
    budget, used = make_budget()
    memory = WindowMemory(BufferPool(budget), budget.charge(0))
    allocated = pa.total_allocated_bytes()
    column = pa.array(range(1000), pa.int64())
    start = column.buffers()[1].address
    view = ColumnMemory(memory, keeps=keeps).view(80, 160, column.buffers()[1])
    del column
    assert address(view) == start + 80
    assert view.view(np.int64).tolist() == list(range(10, 30))
    memory.settle(0)
    assert used() == (160 if keeps else 0)
    del view
    assert used() == 0
    assert pa.total_allocated_bytes() == allocated


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2000)), max_size=8),
    st.integers(0, 5000),
    st.integers(0, 9000),
)
def test_the_memory_of_a_window_is_paid_from_its_charge_first(
    takes: list[tuple[bool, int]], estimate: int, objects: int
) -> None:
    budget, used = make_budget()
    memory = WindowMemory(BufferPool(budget), budget.charge(estimate))
    owner = np.zeros(2000, np.uint8)
    arrays = []
    for adopted, nbytes in takes:
        if adopted:
            arrays.append(memory.adopt(owner.ctypes.data, nbytes, owner))
        else:
            arrays.append(memory.take(nbytes))
    taken = sum(nbytes for adopted, nbytes in takes if not adopted)
    total = sum(nbytes for _, nbytes in takes)
    # While the estimate lasts the window costs what was granted; beyond it, what it really has.
    assert used() == max(estimate, taken)
    memory.settle(objects)
    assert memory.rest.nbytes == objects
    assert used() == total + objects
    memory.rest.release()
    assert used() == total
    arrays.clear()
    assert used() == 0
