from __future__ import annotations

from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.log.deletion_vectors import descriptors_from_json
from deltastream.log.paths import decode_path, decode_paths, file_keys, paths_of
from tests.support.logs import VECTOR

PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda path: ":" not in path
)


@given(PATHS)
def test_a_path_is_decoded_exactly_once(path: str) -> None:
    assert decode_path(quote(path)) == path
    assert decode_path(quote(quote(path))) == quote(path)


@pytest.mark.parametrize(
    ("logged", "path"),
    [
        ("a=1/b.parquet", "a=1/b.parquet"),
        ("a=x%3Ay/b c.parquet", "a=x:y/b c.parquet"),
        ("file:///d/f%20g", "/d/f g"),
        ("file:/d/f", "/d/f"),
        ("/d/f", "/d/f"),
        ("file://localhost/d/f%25g", "/d/f%g"),
        ("file://host/d/f", "file://host/d/f"),
        ("s3://bucket/a=1%252F2/f%25.parquet", "s3://bucket/a=1%2F2/f%.parquet"),
        (
            "abfss://box@account.dfs.core.windows.net/t/f%20g",
            "abfss://box@account.dfs.core.windows.net/t/f g",
        ),
        ("s3://bucket/a%2Bb", "s3://bucket/a+b"),
        ("100%", "100%"),
    ],
)
def test_a_file_uri_is_the_absolute_path_that_it_names_and_other_uris_stay(
    logged: str, path: str
) -> None:
    assert decode_path(logged) == path


@pytest.mark.parametrize(
    ("logged", "message"),
    [
        ("file%3Ab.parquet", "decoded to what reads as a URI"),
        ("s3%3A//box/b", "decoded to what reads as a URI"),
        ("a%FF", "utf-8"),
        ("a%00", "NUL"),
    ],
)
def test_a_path_that_would_name_another_file_is_none(logged: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_path(logged)


@given(st.lists(PATHS | PATHS.map(quote) | PATHS.map(lambda path: f"file:///{quote(path)}")))
def test_paths_are_decoded_alike_one_by_one_and_as_a_column(paths: list[str]) -> None:
    column = pa.array(paths, pa.string())
    assert decode_paths(column).to_pylist() == [decode_path(path) for path in paths]
    assert decode_paths(column[1:]).to_pylist() == [decode_path(path) for path in paths[1:]]


def test_files_with_and_without_a_vector_have_different_keys() -> None:
    paths = pa.chunked_array([["a", "a", "b"]])
    vectors = descriptors_from_json([None, VECTOR, VECTOR])
    keys = file_keys(paths, pa.chunked_array([vectors]))
    assert paths_of(keys.combine_chunks()).to_pylist() == ["a", "a", "b"]
    assert len(set(keys.to_pylist())) == 3
    plain = file_keys(paths, pa.chunked_array([descriptors_from_json([None] * 3)]))
    assert plain[0] == keys[0]


@pytest.mark.parametrize("path", ["a\0b", "a%00b", "file:///a%00"])
def test_a_path_that_no_file_has_is_refused(path: str) -> None:
    for decode in (decode_path, lambda text: decode_paths(pa.array(["a", text, "b"]))):
        with pytest.raises(ValueError, match="NUL"):
            decode(path)
