from __future__ import annotations

import pytest

from deltastream.errors import OptionError
from deltastream.storage.fsspec_arguments import fsspec_arguments
from deltastream.storage.obstore_arguments import obstore_arguments
from deltastream.storage.parse import parse_store
from deltastream.storage.store import Store

SIGNED = "BlobEndpoint={};SharedAccessSignature=sv=1&sig=marker"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://account.blob.core.windows.net/",
        "https://account.blob.core.usgovcloudapi.net",
        "https://account.privatelink.blob.core.windows.net",
        "http://127.0.0.1:10000/account",
    ],
)
def test_an_account_that_is_not_named_is_that_of_the_endpoint(endpoint: str) -> None:
    text = SIGNED.format(endpoint)
    store = parse_store("az://box/t", {"connection_string": text})
    assert isinstance(store, Store)
    assert store.options["azure_storage_account_name"] == "account"
    _, arguments = fsspec_arguments(store)
    assert endpoint.rstrip("/") in arguments["connection_string"]
    _, arguments = obstore_arguments(store)
    assert arguments["credential_provider"]() == {
        "sas_token": "sv=1&sig=marker",
        "expires_at": None,
    }


def test_an_account_of_the_uri_and_another_one_of_the_endpoint_are_an_error() -> None:
    text = SIGNED.format("https://account.blob.core.windows.net/")
    with pytest.raises(OptionError, match="have different values") as raised:
        parse_store("abfss://box@other.dfs.core.windows.net/t", {"connection_string": text})
    assert "marker" not in str(raised.value)


def test_an_endpoint_of_ones_own_domain_tells_no_account() -> None:
    with pytest.raises(OptionError, match="needs the storage account"):
        parse_store("az://box/t", {"connection_string": SIGNED.format("https://data.example.com")})
