"""URIs of tables: what is shown is read as the same place, and what names no place is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.errors import OptionError
from deltastream.storage.unity import find_unity_table
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


def test_user_information_is_not_shown() -> None:
    found = parse_uri("ftp://me:marker@h/t")
    assert isinstance(found, Location)
    assert "marker" not in found.uri


@pytest.mark.parametrize(
    "uri",
    [
        "zip://t::http://me:marker@h/a.zip",
        "zip://::file:///t?sig=marker",
        "simplecache::s3://me:marker@box/t",
        "simplecache::zip://t::https://h/a.zip?sig=marker",
        "file://me:marker@h/t",
        "file:///t?sig=marker",
        "memory://me:marker@h/t",
        "s3:/me:marker@box/t",
        "HTTPS:/me:marker@host/t",
        "uc:/marker",
    ],
)
def test_a_uri_that_is_refused_does_not_show_its_secrets(uri: str) -> None:
    with pytest.raises(OptionError) as raised:
        parse_uri(uri)
    assert "marker" not in str(raised.value)


@pytest.mark.parametrize("path", ["a::b", "/data/x::y/z", "memory://a::b", "s3://box/zip::s3://x"])
def test_two_colons_in_a_name_are_of_the_name(path: str) -> None:
    found = parse_uri(path)
    assert (found if isinstance(found, str) else found.uri).replace("//x", "/x") == path.replace(
        "//x", "/x"
    )


@pytest.mark.parametrize(
    "uri", ["uc://me:marker@main.sales.orders", "uc://main.sales.orders?sig=marker"]
)
def test_a_table_of_a_catalog_has_no_user_and_no_query(uri: str) -> None:
    with pytest.raises(OptionError, match="databricks_token") as raised:
        find_unity_table(uri, None)
    assert "marker" not in str(raised.value)


@pytest.mark.parametrize("uri", ["a\0b", "s3://box/a\0b"])
def test_a_null_character_is_in_no_path(uri: str) -> None:
    with pytest.raises(OptionError, match="null character"):
        parse_uri(uri)


@pytest.mark.parametrize("path", ["./s3:/t", "s3:t", "/data/s3:/t", "as3:/t"])
def test_a_folder_may_be_named_like_a_scheme(path: str) -> None:
    assert parse_uri(path) == path
