"""LIKE as Python walks it, over patterns full of backslashes, and the functions that are made of it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltastream.errors import OptionError
from deltastream.predicate import bind, evaluate, parse_filter
from deltastream.predicate.parse import Filter

TEXTS = st.text("ab%_\\\n.é😀", max_size=6)


def matches(text: str, pattern: str) -> bool:
    def walk(i: int, k: int) -> bool:
        if k == len(pattern):
            return i == len(text)
        if pattern[k] == "%":
            return walk(i, k + 1) or (i < len(text) and walk(i + 1, k))
        if i == len(text):
            return False
        if pattern[k] == "\\" and k + 1 < len(pattern):
            return text[i] == pattern[k + 1] and walk(i + 1, k + 2)
        return (pattern[k] == "_" or pattern[k] == text[i]) and walk(i + 1, k + 1)

    return walk(0, 0)


def kept(condition: Filter, texts: list[str]) -> list[bool]:
    table = pa.table({"s": pa.array(texts, pa.string())})
    predicate = bind(parse_filter(condition), table.schema)
    found: list[bool] = evaluate(predicate, {("s",): table["s"].chunk(0)}, len(texts)).to_pylist()
    return found


@given(texts=st.lists(TEXTS, min_size=1, max_size=9), pattern=TEXTS)
@example(texts=["a\\b", "ab", "a\\"], pattern="%\\\\b%")
@example(texts=["a\\b", "ab", "a\\"], pattern="a\\\\%")
@example(texts=["a\\b", "ab", "a\\"], pattern="%\\\\")
def test_a_pattern_matches_what_it_says(texts: list[str], pattern: str) -> None:
    assert kept([("s", "like", pattern)], texts) == [matches(text, pattern) for text in texts]


@given(texts=st.lists(TEXTS, min_size=1, max_size=9), part=TEXTS)
def test_the_functions_take_their_text_as_it_is(texts: list[str], part: str) -> None:
    literal = part.replace("\\", "\\\\")
    expected = {
        "contains": [part in text for text in texts],
        "startswith": [text.startswith(part) for text in texts],
        "endswith": [text.endswith(part) for text in texts],
    }
    for function, found in expected.items():
        assert kept(f"{function}(s, '{literal}')", texts) == found
    assert kept(pc.match_substring(pc.field("s"), part), texts) == expected["contains"]
    assert kept(pc.starts_with(pc.field("s"), part), texts) == expected["startswith"]
    assert kept(pc.ends_with(pc.field("s"), part), texts) == expected["endswith"]


@pytest.mark.parametrize("pattern", ["É%", "%É%", "%É"])
def test_case_may_be_ignored(pattern: str) -> None:
    assert kept(f"s ilike '{pattern}'", ["é", "x"]) == [True, False]


def test_a_pattern_that_no_text_can_match_is_refused() -> None:
    with pytest.raises(OptionError, match=r"is no text: .* surrogates not allowed"):
        kept([("s", "like", "\ud800%")], ["a"])
