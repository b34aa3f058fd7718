"""What `storage_options` say of the client reaches it, and what it has no place for is an error that names it."""

from __future__ import annotations

import base64
import re
import socketserver
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from deltastream import Credentials, DeltaStreamError, OptionError, StorageError, read_arrow
from deltastream.storage.fsspec_arguments import fsspec_arguments
from deltastream.storage.obstore_arguments import obstore_arguments
from deltastream.storage.policy import FaultPolicy
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


@dataclass(slots=True)
class Ear:
    """A server that takes one request at a time, and answers with 404, or not at all, or stops in the body."""

    port: int
    answers: bool = True
    stops: bool = False
    heard: list[str] = field(default_factory=list)


@pytest.fixture
def ear() -> Iterator[Ear]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b"".join(iter(self.rfile.readline, b"\r\n"))
            ear.heard.append(head.decode())
            if ear.stops:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
                self.rfile.read()
            elif ear.answers:
                self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                self.rfile.read()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        ear = Ear(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ear
        server.shutdown()


def access_of(kind: str, server: str) -> tuple[str, dict[str, Any]]:
    """A URI whose store is at `server`, and the options to get there."""
    match kind:
        case "s3":
            return "s3://box/t", {"endpoint_url": server, "key": "k", "secret": "s"}
        case "az":
            options = {"account_name": "a", "sas_token": "sig=s", "azure_endpoint": server}
            return "az://box/t", options
        case "gs":
            return "gs://box/t", {"google_base_url": server, "anon": True}
    return f"{server}/t", {}


@pytest.mark.parametrize("kind", ["s3", "az", "gs", "http"])
def test_a_proxy_and_a_user_agent_are_those_of_every_client(kind: str, ear: Ear) -> None:
    uri, options = access_of(kind, "http://store.invalid")
    options |= {"proxy_url": f"http://127.0.0.1:{ear.port}", "user_agent": "marker/1"}
    with pytest.raises(DeltaStreamError):
        read_arrow(uri, storage_options=options, transport="fsspec")
    assert ear.heard
    for head in ear.heard:
        assert head.startswith("GET http://store.invalid")
        assert re.search(r"user-agent: .*marker/1", head, re.IGNORECASE)


@pytest.mark.parametrize("kind", ["s3", "az", "gs", "http"])
def test_the_password_of_a_proxy_that_refuses_stands_in_no_traceback(
    kind: str, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltastream.storage.resolve.FaultPolicy", partial(FaultPolicy, 1))
    uri, options = access_of(kind, "https://store.invalid")
    options["proxy_url"] = f"http://user:marker@127.0.0.1:{ear.port}"
    with pytest.raises(DeltaStreamError) as raised:
        read_arrow(uri, storage_options=options, transport="fsspec")
    assert any(head.startswith("CONNECT ") for head in ear.heard)
    assert "marker" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("kind", ["s3", "az", "gs", "http"])
@pytest.mark.parametrize("name", ["timeout", "read_timeout"])
def test_a_time_out_is_that_of_every_client(
    kind: str, name: str, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltastream.storage.resolve.FaultPolicy", partial(FaultPolicy, 1))
    ear.answers = False
    uri, options = access_of(kind, f"http://127.0.0.1:{ear.port}")
    # In less time than the policy's own deadline, also on a busy machine.
    with pytest.raises(StorageError, match=r"after 1 attempt in [0-3]\..*(?i:time(d )?out)"):
        read_arrow(uri, storage_options={**options, name: "200ms"}, transport="fsspec")


def test_a_listing_that_stops_is_asked_for_again(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltastream.storage.resolve.FaultPolicy", partial(FaultPolicy, 3))
    ear.stops = True
    uri, options = access_of("gs", f"http://127.0.0.1:{ear.port}")
    with pytest.raises(StorageError, match="after 3 attempts"):
        read_arrow(uri, storage_options={**options, "read_timeout": "200ms"}, transport="fsspec")
    assert len(ear.heard) == 3


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("s3", {"pool_idle_timeout": "1s"}),
        ("az", {"pool_idle_timeout": "1s"}),
        ("az", {"pool_max_idle_per_host": 3}),
        ("az", {"location_mode": "secondary"}),
        ("gs", {"pool_max_idle_per_host": 3}),
    ],
)
def test_what_a_client_of_fsspecs_has_no_place_for_is_an_error_that_names_it(
    kind: str, option: dict[str, object]
) -> None:
    with pytest.raises(OptionError, match=rf"fsspec.* does not know .*: {next(iter(option))}"):
        fsspec_arguments(store_of(URIS[kind], option))


def test_what_says_http_is_not_lost_on_obstore() -> None:
    options: dict[str, object] = {"aws_region": "here", "use_ssl": False}
    with pytest.raises(OptionError, match="use_ssl"):
        obstore_arguments(store_of(URIS["s3"], options))
    obstore_arguments(store_of(URIS["s3"], {**options, "endpoint": "https://here"}))
