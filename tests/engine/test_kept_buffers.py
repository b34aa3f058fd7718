"""Buffers that outlive their pool: found by the next one, within a bound, and never by another process."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from deltastream.engine import kept_buffers
from deltastream.engine.budget import ByteBudget
from deltastream.engine.buffers import BufferPool
from deltastream.engine.kept_buffers import BufferMemory, KeptBuffers
from tests.support.loops import call_soon

MIB = 1 << 20


def make_pool(kept: KeptBuffers) -> BufferPool:
    return BufferPool(ByteBudget(1 << 40, call_soon=call_soon), kept)


def test_a_pool_begins_with_what_the_one_before_left() -> None:
    kept = KeptBuffers()
    pool = make_pool(kept)
    idle, late = pool.take(2 * MIB), pool.take(MIB)
    addresses = {int(idle.ctypes.data), int(late.ctypes.data)}
    del idle
    pool.close()
    # A batch that the consumer holds when the epoch is over.
    del late
    assert kept.nbytes == 3 * MIB
    second = make_pool(kept)
    assert kept.nbytes == 0
    taken = second.take(2 * MIB), second.take(MIB)
    assert {int(array.ctypes.data) for array in taken} == addresses
    assert second.statistics().num_reused == 2


def test_no_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_buffers, "KEPT_BUFFERS_NBYTES", 5 * MIB)
    kept = KeptBuffers()
    pool = make_pool(kept)
    arrays = [pool.take(nbytes) for nbytes in (MIB, 4 * MIB, 2 * MIB)]
    del arrays
    pool.close()
    # The largest first: they save the most.
    assert sorted(map(len, kept.take_all())) == [MIB, 4 * MIB]


def test_what_is_kept_stays_in_its_process() -> None:
    kept = KeptBuffers()
    kept.offer(BufferMemory.new(MIB))
    assert pickle.loads(pickle.dumps(kept)).nbytes == 0


def test_memory_is_where_it_says() -> None:
    memory = BufferMemory.new(MIB)
    assert memory.address == np.frombuffer(memory, np.uint8).ctypes.data
    assert len(memory) == MIB
