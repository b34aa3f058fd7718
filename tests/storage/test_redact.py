from __future__ import annotations

import pytest

from deltastream.cli.inspection.secrets import hide_in_uri
from deltastream.storage.redact import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("via http://user:p@ss@proxy:80/x?sig=1 failed", "via http://***@proxy:80/x?*** failed"),
        ("https://token@host/a@b", "https://***@host/a@b"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("authorization: Bearer x y", "authorization: ***"),
    ],
)
def test_no_secret_of_a_url_is_left(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_a_password_with_an_at_sign_is_hidden_whole() -> None:
    assert hide_in_uri("ftp://user:p@ss@host/a") == "ftp://***@host/a"
