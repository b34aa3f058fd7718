from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.log.statistics import num_records

# Enough for the columnar way, whose result is compared with the way row by row.
MANY = 200

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["numRecords", "a", "}{", '"numRecords":9']), inner)
    ),
    max_leaves=4,
)
COUNTS = st.integers(-3, 2**64) | st.sampled_from([0, 1, 10**17, 10**18 - 1, 10**18, 2**63 - 1])


@st.composite
def statistics_texts(draw: st.DrawFn) -> str | None:
    kind = draw(st.sampled_from(["absent", "odd", "object", "object", "object"]))
    if kind == "absent":
        return None
    if kind == "odd":
        odd = [
            "",
            "null",
            "[]",
            "3",
            "{",
            '{"numRecords":3',
            "{}\n{}",
            "{}}",
            ' {"numRecords": 4} ',
        ]
        return draw(st.sampled_from(odd))
    members = draw(st.dictionaries(st.sampled_from(["minValues", "maxValues", "x"]), VALUES))
    count = {"numRecords": draw(COUNTS | VALUES)} if draw(st.booleans()) else {}
    both = count | members if draw(st.booleans()) else members | count
    return draw(
        st.sampled_from(
            [
                json.dumps(both, separators=(",", ":")),
                json.dumps(both),
                json.dumps(both, indent=1, ensure_ascii=False),
            ]
        )
    )


def one_by_one(texts: list[str | None]) -> list[int | None]:
    return [num_records(pa.array([text], pa.string()), None, 1)[0].as_py() for text in texts]


@given(st.lists(statistics_texts(), min_size=1, max_size=40))
def test_the_columnar_way_and_the_way_row_by_row_agree(texts: list[str | None]) -> None:
    column = pa.array(texts, pa.string())
    many = pa.concat_arrays([column] * (MANY // len(texts) + 1))
    expected = one_by_one(texts) * (MANY // len(texts) + 1)
    assert num_records(many, None, len(many)).to_pylist() == expected
    assert num_records(many[1:], None, len(many) - 1).to_pylist() == expected[1:]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"numRecords":5}', 5),
        ('{"numRecords":5,"minValues":{"x":1}}', 5),
        ('{"minValues":{"numRecords":7},"numRecords":5}', 5),
        ('{"numRecords" : 5 }', 5),
        ('{"n\\u0075mRecords":5}', 5),
        ('{"numRecords":5.0}', 5),
        ('{"numRecords":0}', 0),
        ('{"minValues":{"numRecords":7}}', None),
        ('{"minValues":{"x":"{\\"numRecords\\":7}"}}', None),
        ('{"x":"\\"numRecords\\":7"}', None),
        ('{"numRecords":null}', None),
        ('{"numRecords":"5"}', None),
        ('{"numRecords":true}', None),
        ('{"numRecords":-1}', None),
        ('{"numRecords":05}', None),
        ('{"numRecords":5', None),
        ('{"numRecords":99999999999999999999}', None),
        ("null", None),
        ("", None),
        ("{}", None),
        ("not json", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("others", ['{"numRecords":1,"x":2}', '{"x":2,"numRecords":1}'])
def test_only_the_outermost_member_is_the_count_and_what_is_none_is_null(
    text: str | None, count: int | None, others: str
) -> None:
    assert one_by_one([text]) == [count]
    texts = [others] * MANY + [text] + [others] * MANY
    counts = num_records(pa.array(texts, pa.string()), None, len(texts)).to_pylist()
    assert counts == [1] * MANY + [count] + [1] * MANY


def test_parsed_statistics_stand_in_where_the_json_is_absent() -> None:
    texts = pa.array(['{"numRecords":1}', None, None])
    parsed = pa.array([9, 8, None], pa.int64())
    assert num_records(texts, parsed, 3).to_pylist() == [1, 8, None]
    assert num_records(None, parsed, 3).to_pylist() == [9, 8, None]
    assert num_records(None, None, 3).to_pylist() == [None] * 3
