from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.fetch.z85 import decode_z85
from tests.support.vectors import encode_z85


def test_the_example_of_the_specification_decodes() -> None:
    """https://rfc.zeromq.org/spec/32/"""
    assert decode_z85("HelloWorld") == bytes.fromhex("864FD26FB559F75B")


@given(st.binary(max_size=64))
def test_what_was_encoded_decodes(data: bytes) -> None:
    assert decode_z85(encode_z85(data))[: len(data)] == data


@pytest.mark.parametrize("text", ["abcd", "ab cd", "ab~cd", "abcdé", "%%%%%", "#####"])
def test_what_is_no_z85_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"multiple|alphabet|four bytes"):
        decode_z85(text)


@given(st.text(max_size=30))
def test_any_text_decodes_or_is_refused(text: str) -> None:
    try:
        assert len(decode_z85(text)) * 5 == len(text) * 4
    except ValueError:
        pass
