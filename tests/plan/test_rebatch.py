from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deltastream.errors import OptionError
from deltastream.options import OrderOptions
from deltastream.plan import rebatch
from tests.support.orders import TableSizes, order_options, tables, walk_lane


def epoch_rows(table: TableSizes, options: OrderOptions, *, lanes: int) -> list[list[object]]:
    order = table.order(options, lanes=lanes)
    walked = [walk_lane(order, lane, table).rows for lane in range(lanes + 1)]
    spans = [order.microbatch(number) for number in range(order.num_microbatches)]
    return [list(walked[span.lane][span.start : span.stop]) for span in spans]


@given(tables(min_rows=20), order_options(drop_last=False), st.integers(1, 4), st.data())
def test_a_change_that_is_allowed_loses_and_repeats_no_row(
    table: TableSizes, options: OrderOptions, lanes: int, data: st.DataObject
) -> None:
    before = epoch_rows(table, options, lanes=lanes)
    microbatch = data.draw(st.integers(0, len(before)))
    other = data.draw(order_options(drop_last=False))
    after_options = replace(options, batch_size=other.batch_size)
    try:
        resumed = rebatch(
            microbatch,
            num_rows=table.num_rows,
            lanes=lanes,
            shuffle=options.shuffle,
            before=options.batch_size,
            after=other.batch_size,
        )
    except OptionError:
        assume(False)
    after = epoch_rows(table, after_options, lanes=lanes)
    rows = [row for batch in [*before[:microbatch], *after[resumed:]] for row in batch]
    assert sorted(rows) == table.rows
    # At the start of a shuffled epoch the lane may end elsewhere, and so have other blocks.
    if lanes == 1 and (microbatch > 0 or not options.shuffle):
        assert rows == [row for batch in before for row in batch]


@pytest.mark.parametrize(
    ("microbatch", "lanes", "after", "message"),
    [
        (3, 1, 20, "30 rows were read, no multiple of 20"),
        (3, 2, 50, "1 of the 2 lanes are a batch ahead; stop at a multiple of 2 batches"),
        (2, 2, 25, "10 rows of each lane were read, no multiple of 25"),
        (2, 2, 70, "each of the 2 lanes would have 70 rows and not 100"),
        (21, 2, 25, "10 rows of the last lane were read, no multiple of 25"),
    ],
)
def test_a_change_that_the_order_does_not_allow_says_why(
    microbatch: int, lanes: int, after: int, message: str
) -> None:
    with pytest.raises(
        OptionError, match=f"batch_size: the state has 10, this loader {after}.*{message}"
    ):
        rebatch(microbatch, num_rows=215, lanes=lanes, shuffle=False, before=10, after=after)


def test_at_the_start_of_an_epoch_any_batch_size_will_do() -> None:
    assert rebatch(0, num_rows=215, lanes=3, shuffle=True, before=10, after=7) == 0
