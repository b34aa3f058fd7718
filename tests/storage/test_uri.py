"""URIs of tables: what is shown is read as the same place, and what names no place is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import OptionError
from deltastream.storage.uri import Location, parse_uri, quoted

NAMES = st.text(st.characters(exclude_categories=["C"], exclude_characters="/"), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@given(
    st.sampled_from(
        [
            "s3://b",
            "az://c",
            "gs://b",
            "memory://m",
            "http://h:1",
            "abfss://c@a.dfs.core.windows.net",
        ]
    ),
    st.lists(NAMES, min_size=1, max_size=3),
)
def test_a_place_that_is_shown_is_read_as_the_same(start: str, names: list[str]) -> None:
    found = parse_uri(f"{start}/{quoted('/'.join(names))}")
    assert isinstance(found, Location)
    assert found.root.endswith("/".join(names))
    again = parse_uri(found.uri)
    assert isinstance(again, Location)
    assert (again.protocol, again.bucket, again.root, again.uri) == (
        found.protocol,
        found.bucket,
        found.root,
        found.uri,
    )


@pytest.mark.parametrize("uri", ["file://data/digits", "file:///tmp/a#b", "file:///tmp/a?b"])
def test_a_file_uri_has_a_path_and_nothing_else(uri: str) -> None:
    with pytest.raises(OptionError, match="a file URI is file:///path/of/the/table"):
        parse_uri(uri)


@pytest.mark.parametrize(
    "uri", ["file:///tmp/a%23b", "file://localhost/tmp/a%23b", "file:/tmp/a%23b"]
)
def test_a_file_uri_is_decoded(uri: str) -> None:
    assert parse_uri(uri) == "/tmp/a#b"


@pytest.mark.parametrize(
    "uri",
    [
        "zip://t::http://me:secret@h/a.zip",
        "ftp://me:secret@h/t",
    ],
)
def test_user_information_is_not_shown(uri: str) -> None:
    found = parse_uri(uri)
    assert isinstance(found, Location)
    assert "secret" not in found.uri
