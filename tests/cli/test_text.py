from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.cli.inspection.secrets import HIDDEN, hide_in_uri, hide_secrets
from deltastream.cli.text import count, nbytes_text, plain, share, split_names, time_text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (1 << 62, "4.0 EiB"),
    ],
)
def test_bytes_are_told_in_the_unit_that_fits(nbytes: int, text: str) -> None:
    assert nbytes_text(nbytes) == text


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_share_is_none_or_all_only_where_that_is_exact(a: int, b: int) -> None:
    part, whole = min(a, b), max(a, b)
    assert (share(part, whole) == "0 %") == (part == 0)
    assert (share(part, whole) == "100 %") == (part == whole > 0)


def test_one_is_singular() -> None:
    assert [count(n, "file") for n in (0, 1, 1200)] == ["0 files", "1 file", "1,200 files"]


def test_a_time_that_no_calendar_has_is_told_as_it_is() -> None:
    assert time_text(0) == "1970-01-01 00:00:00Z"
    assert time_text(1_700_000_000_999) == "2023-11-14 22:13:20Z"
    assert time_text(2**62) == f"{2**62:,} ms since 1970"


@given(st.text())
def test_no_text_moves_the_cursor(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    "key",
    [
        "fs.s3a.secret.key",
        "fs.s3a.access.key",
        "AWS_SECRET_ACCESS_KEY",
        "aws_session_token",
        "fs.azure.account.key.x.dfs.core.windows.net",
        "fs.azure.sas.container.account",
        "spark.password",
        "azure_client_secret",
        "clientCredential",
    ],
)
def test_values_under_the_names_of_secrets_are_hidden(key: str) -> None:
    assert hide_secrets({key: "x"}) == {key: HIDDEN}


def test_what_is_no_secret_is_shown() -> None:
    shown = {
        "delta.columnMapping.mode": "name",
        "delta.dataSkippingStatsColumns": "a,b",
        "delta.logRetentionDuration": "interval 30 days",
        "delta.parquet.compression.codec": "zstd",
    }
    assert hide_secrets(shown) == shown


def test_a_uri_keeps_its_place_and_loses_its_keys() -> None:
    assert hide_in_uri("s3://id:key@bucket/a?sig=x") == f"s3://{HIDDEN}@bucket/a?{HIDDEN}"
    assert hide_in_uri("/data/a?b@c") == "/data/a?b@c"
    assert hide_in_uri("s3://bucket/a@b") == "s3://bucket/a@b"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a, b.c", ["a", "b.c"]),
        ("`a,b`,c", ["`a,b`", "c"]),
        ("c,`a``,b`", ["c", "`a``,b`"]),
        ("a,,b", ["a", "", "b"]),
        ("", [""]),
    ],
)
def test_names_are_split_at_commas_outside_of_backquotes(text: str, names: list[str]) -> None:
    assert split_names(text) == names
