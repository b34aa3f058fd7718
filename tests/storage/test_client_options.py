"""What `storage_options` say of the client reaches it, and what it has no place for is an error that names it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from deltastream import Credentials, OptionError, StorageError, read_arrow
from deltastream.storage.fsspec_arguments import fsspec_arguments
from tests.storage.test_parse import URIS, store_of
from tests.support.servers.store import ObjectStore
from tests.support.tables import write_numbered

KEY = bytes(range(32))
KEYS = {
    "deltalake": {"aws_sse_customer_key_base64": base64.b64encode(KEY).decode()},
    "fsspec": {"s3_additional_kwargs": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}},
}
LOGIN = ("aws_access_key_id", "aws_secret_access_key")


@pytest.fixture(scope="module")
def encrypted(s3: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table whose objects are encrypted with a key of its writer's."""
    from s3fs import S3FileSystem

    root = write_numbered(tmp_path_factory.mktemp("encrypted") / "table", [30])
    writer = S3FileSystem(skip_instance_cache=True, **s3.fsspec_options, **KEYS["fsspec"])
    for file in root.rglob("*"):
        if file.is_file():
            key = f"{s3.bucket}/encrypted/{file.relative_to(root).as_posix()}"
            writer.pipe_file(key, file.read_bytes())
    return s3.uri("encrypted")


@pytest.mark.parametrize(
    ("names", "transport"),
    [("deltalake", "fsspec"), ("deltalake", "obstore"), ("fsspec", "fsspec"), ("fsspec", "auto")],
)
def test_a_key_of_encrypted_objects_is_sent_with_every_request(
    s3: ObjectStore, encrypted: str, names: str, transport: Any
) -> None:
    options: Mapping[str, Any] = {**s3.storage_options, **KEYS[names]}
    assert read_arrow(encrypted, storage_options=options, transport=transport).num_rows == 30
    with pytest.raises(StorageError, match="HTTP status 40"):
        read_arrow(encrypted, storage_options=s3.storage_options, transport=transport)


def test_a_key_of_encrypted_objects_goes_with_credentials_of_a_callback(
    s3: ObjectStore, encrypted: str
) -> None:
    options = {k: v for k, v in s3.storage_options.items() if k not in LOGIN}
    found = read_arrow(
        encrypted,
        storage_options={**options, **KEYS["deltalake"]},
        credentials=lambda: Credentials({k: s3.storage_options[k] for k in LOGIN}),
    )
    assert found.num_rows == 30


def test_a_key_of_encrypted_objects_that_is_no_base64_is_not_shown() -> None:
    with pytest.raises(OptionError, match="aws_sse_customer_key_base64 is no base64") as raised:
        fsspec_arguments(store_of(URIS["s3"], {"aws_sse_customer_key_base64": "marker?"}))
    assert "marker" not in str(raised.value)
