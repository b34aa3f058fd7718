from __future__ import annotations

import pyarrow as pa
import pytest

from deltastream.log.leading_counts import leading_counts

PADDING = '{"x":"' + "-" * 60 + '"}'


@pytest.mark.parametrize("count", [0, 7, 10**17, 10**18 - 1])
@pytest.mark.parametrize("end", ["}", ',"minValues":{}}'])
def test_a_count_that_comes_first_is_read(count: int, end: str) -> None:
    texts = pa.array([f'{{"numRecords":{count}{end}', PADDING])
    assert leading_counts(texts).to_pylist() == [count, None]


@pytest.mark.parametrize(
    "text",
    [
        '{"numRecords":1000000000000000000}',
        '{"numRecords":}',
        '{"numRecords":1',
        '{"numRecords":1e3}',
        '{"numRecords":1.5}',
        '{"numRecords":-1}',
        '{"numRecords":01}',
        '{"numRecords": 1}',
        '{"numRecord":1}',
        '{"numRecords":12',
        "",
        None,
    ],
)
def test_what_is_no_plain_count_is_left_to_the_parser(text: str | None) -> None:
    assert leading_counts(pa.array([text, PADDING], pa.string())).to_pylist() == [None, None]


def test_a_text_does_not_borrow_its_end_from_the_next_one() -> None:
    texts = pa.array(['{"numRecords":1', "2}", '{"numRecords"', ":3}", PADDING])
    assert leading_counts(texts).to_pylist() == [None] * 5
