from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.options import OrderOptions
from tests.support.orders import TableSizes, order_options, tables, walk_lane

LANES = st.integers(1, 6)
EPOCHS = st.integers(0, 5)


def all_microbatches(table: TableSizes, options: OrderOptions, *, lanes: int, epoch: int) -> list:
    """The rows of every microbatch, from a walk along every lane."""
    order = table.order(options, lanes=lanes, epoch=epoch)
    walked = [walk_lane(order, lane, table).rows for lane in range(lanes + 1)]
    spans = [order.microbatch(m) for m in range(order.num_microbatches)]
    return [walked[span.lane][span.start : span.stop] for span in spans]


@given(tables(), order_options(drop_last=False), LANES, EPOCHS)
def test_an_epoch_has_every_row_exactly_once(
    table: TableSizes, options: OrderOptions, lanes: int, epoch: int
) -> None:
    batches = all_microbatches(table, options, lanes=lanes, epoch=epoch)
    assert sorted(row for batch in batches for row in batch) == table.rows


@given(tables(), order_options(), LANES, EPOCHS)
def test_only_the_very_last_microbatch_is_short_and_drop_last_leaves_it_out(
    table: TableSizes, options: OrderOptions, lanes: int, epoch: int
) -> None:
    batches = all_microbatches(table, options, lanes=lanes, epoch=epoch)
    full, rest = divmod(table.num_rows, options.batch_size)
    expected = [options.batch_size] * full + [rest] * bool(rest and not options.drop_last)
    assert [len(batch) for batch in batches] == expected
    assert len({row for batch in batches for row in batch}) == sum(expected)


@given(tables(), order_options(), LANES, EPOCHS)
def test_a_lane_is_a_stretch_of_the_epoch_and_the_shared_one_is_shorter_than_a_round(
    table: TableSizes, options: OrderOptions, lanes: int, epoch: int
) -> None:
    order = table.order(options, lanes=lanes, epoch=epoch)
    rows = table.epoch_rows(order)
    length = len(rows) // (lanes * options.batch_size) * options.batch_size
    if lanes == 1 and not options.shuffle:
        # Alone and without shuffle it goes on to the end.
        length = len(rows)
    for lane in range(lanes):
        stretch = rows[lane * length : (lane + 1) * length]
        assert sorted(walk_lane(order, lane, table).rows) == sorted(stretch)
    shared = walk_lane(order, lanes, table).rows
    assert sorted(shared) == sorted(rows[lanes * length :])
    assert len(shared) < lanes * options.batch_size


@given(tables(), order_options(), LANES)
def test_the_lanes_take_turns_and_the_shared_lane_comes_last(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    spans = [order.microbatch(m) for m in range(order.num_microbatches)]
    # A single lane without shuffle goes on to the end.
    is_alone = lanes == 1 and not options.shuffle
    in_turn = len(spans) if is_alone else lanes * order.lane_batches
    assert [span.lane for span in spans] == [
        m % lanes if m < in_turn else lanes for m in range(len(spans))
    ]
    for lane in range(lanes + 1):
        # Each lane is read from its first row on, without a gap.
        starts = [span.start for span in spans if span.lane == lane]
        assert starts == [i * options.batch_size for i in range(len(starts))]


@given(tables(), order_options(shuffle=False, drop_last=False))
def test_without_shuffle_one_lane_is_the_base_order(
    table: TableSizes, options: OrderOptions
) -> None:
    batches = all_microbatches(table, options, lanes=1, epoch=3)
    assert [row for batch in batches for row in batch] == table.rows


@given(tables(), order_options(shuffle=False), LANES)
def test_without_shuffle_every_lane_is_in_base_order_and_every_epoch_the_same(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes, epoch=0)
    for lane in range(lanes + 1):
        rows = walk_lane(order, lane, table).rows
        assert rows == sorted(rows)
    assert all_microbatches(table, options, lanes=lanes, epoch=0) == all_microbatches(
        table, options, lanes=lanes, epoch=1
    )


def test_the_order_depends_on_seed_epoch_and_lanes_and_on_nothing_else() -> None:
    table = TableSizes(((40, 40),) * 6, (4,) * 6)
    options = OrderOptions(8, shuffle=True, seed=1, shuffle_rows=50, block_rows=100)
    other = OrderOptions(8, shuffle=True, seed=2, shuffle_rows=50, block_rows=100)
    first = all_microbatches(table, options, lanes=2, epoch=0)
    assert all_microbatches(table, options, lanes=2, epoch=0) == first
    assert all_microbatches(table, other, lanes=2, epoch=0) != first
    assert all_microbatches(table, options, lanes=2, epoch=1) != first
    assert all_microbatches(table, options, lanes=3, epoch=0) != first


def test_rows_mix_across_files_row_groups_and_rows() -> None:
    table = TableSizes(((40, 40),) * 6, (4,) * 6)
    options = OrderOptions(40, shuffle=True, shuffle_rows=160, block_rows=480)
    batches = all_microbatches(table, options, lanes=1, epoch=0)
    assert all(len({row[:2] for row in batch}) > 2 for batch in batches)


@given(tables(), order_options(), LANES)
def test_a_microbatch_that_is_not_there_is_an_index_error(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for number in (-1, order.num_microbatches):
        with pytest.raises(IndexError, match=f"microbatch {number} of {order.num_microbatches}"):
            order.microbatch(number)


def test_the_repr_shows_the_division() -> None:
    order = TableSizes(((7,), (), (6,)), (1, 1, 1)).order(OrderOptions(2), lanes=3)
    assert repr(order) == "<EpochOrder 0: 13 rows, 2 files, 3 lanes of 2 batches, 7 microbatches>"
