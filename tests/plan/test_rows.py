from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deltastream.options import OrderOptions
from deltastream.plan import blocks_of, rows_of
from tests.support.orders import TableSizes, order_options, tables, walk_lane


@given(tables(), order_options(), st.integers(1, 5), st.integers(0, 3), st.data())
def test_the_rows_of_any_microbatch_are_found_from_its_own_blocks_alone(
    table: TableSizes, options: OrderOptions, lanes: int, epoch: int, data: st.DataObject
) -> None:
    order = table.order(options, lanes=lanes, epoch=epoch)
    if order.num_microbatches == 0:
        return
    number = data.draw(st.integers(0, order.num_microbatches - 1))
    files = {span.file for block in blocks_of(order, number) for span in block.spans}
    sizes = {file: table.sizes[file] for file in files}
    span = order.microbatch(number)
    walked = walk_lane(order, span.lane, table).rows[span.start : span.stop]
    found = rows_of(order, number, sizes)
    assert found.dtype == "int64"
    assert [tuple(row) for row in found.tolist()] == walked


@given(tables(min_rows=1), order_options(drop_last=False), st.integers(1, 5))
def test_a_microbatch_needs_the_blocks_that_its_rows_lie_in_and_no_other(
    table: TableSizes, options: OrderOptions, lanes: int
) -> None:
    order = table.order(options, lanes=lanes)
    for number in range(order.num_microbatches):
        span = order.microbatch(number)
        blocks = blocks_of(order, number)
        assert blocks[0].start <= span.start < blocks[0].stop
        assert blocks[-1].start < span.stop <= blocks[-1].stop
        assert [a.stop for a in blocks[:-1]] == [b.start for b in blocks[1:]]
