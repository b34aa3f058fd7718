"""Jobs: all of a window's row groups, in order, and threads that end together."""

from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from deltastream.pipeline.jobs import divide
from deltastream.plan import WindowSlice

_MAX_NBYTES = 2 << 20
_MIN_NBYTES = 1 << 18

slices = st.lists(st.integers(1, 3 << 20), max_size=60).map(
    lambda sizes: [
        WindowSlice(i, i % 3, i, i + 1 + nbytes % 7, nbytes) for i, nbytes in enumerate(sizes)
    ]
)


@given(slices, st.integers(1, 16))
def test_jobs_are_the_window_in_order(parts: list[WindowSlice], num_threads: int) -> None:
    jobs = divide(parts, num_threads)
    assert [part for job in jobs for part in job.parts] == parts
    row = 0
    for job in jobs:
        assert job.start == row
        assert len(job.parts) == 1 or sum(part.nbytes for part in job.parts) <= _MAX_NBYTES
        row += sum(part.num_rows for part in job.parts)


@given(slices, st.integers(1, 16))
def test_threads_end_within_one_small_job_or_row_group_of_the_best(
    parts: list[WindowSlice], num_threads: int
) -> None:
    ends = [0] * num_threads
    for job in divide(parts, num_threads):
        # Whichever thread is free first takes the next job; as long as it has bytes.
        heapq.heappush(ends, heapq.heappop(ends) + sum(part.nbytes for part in job.parts))
    largest = max((part.nbytes for part in parts), default=0)
    total = sum(part.nbytes for part in parts)
    assert max(ends) <= total / num_threads + max(largest, _MIN_NBYTES)


def test_many_tiny_row_groups_are_few_jobs() -> None:
    parts = [WindowSlice(0, i, i, i + 1, 1000) for i in range(1000)]
    assert len(divide(parts, 2)) <= 4
