"""What the libraries of stores raise where they get no credentials is an error of ours that names the table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from deltastream import DeltaStreamError, OptionError, StorageError, TableNotFoundError, read_arrow

AZURE = "abfss://box@account.dfs.core.windows.net/t"
PRINCIPAL = {"client_id": "c", "client_secret": "marker"}


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def failure_of(uri: str, options: dict[str, Any], transport: Any) -> DeltaStreamError:
    with pytest.raises(DeltaStreamError) as raised:
        read_arrow(uri, storage_options=options, transport=transport)
    assert not isinstance(raised.value, TableNotFoundError)
    assert "marker" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize("transport", ["fsspec", "obstore", "auto"])
@pytest.mark.parametrize(
    ("uri", "options", "told"),
    [
        ("s3://box/t", {}, "redentials.*aws_skip_signature"),
        ("s3://box/t", {"profile": "not-there"}, r"profile \(not-there\) could not be found"),
        (AZURE, PRINCIPAL, "tenant_id should be"),
        (AZURE, {**PRINCIPAL, "tenant_id": "no tenant!"}, "Invalid tenant ID"),
        (
            AZURE,
            {"client_id": "c", "tenant_id": "t", "federated_token_file": "/not/there"},
            "No such file or directory: '/not/there'",
        ),
    ],
)
def test_credentials_that_are_not_there_are_a_storage_error_that_names_the_place(
    uri: str, options: dict[str, Any], told: str, transport: str
) -> None:
    if uri.startswith("s3:"):
        options = {**options, "aws_region": "here", "endpoint": "http://127.0.0.1:9"}
    error = failure_of(uri, options, transport)
    assert isinstance(error, StorageError)
    assert re.search(rf"box(/|@.*/)t.*{told}", str(error))


@pytest.mark.parametrize("transport", ["fsspec", "auto"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"service_account": "/marker/key.json"}, "names a file that is not there"),
        ({"service_account_key": "{marker"}, "google_service_account_key is no JSON"),
    ],
)
def test_an_account_of_google_that_cannot_be_is_an_option_error(
    options: dict[str, Any], told: str, transport: str
) -> None:
    error = failure_of("gs://box/t", options, transport)
    assert isinstance(error, OptionError)
    assert told in str(error)
