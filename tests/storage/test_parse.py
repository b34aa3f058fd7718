from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from deltastream.errors import OptionError
from deltastream.storage.fsspec_arguments import fsspec_arguments
from deltastream.storage.meanings import MEANINGS
from deltastream.storage.obstore_arguments import obstore_arguments
from deltastream.storage.parse import parse_store
from deltastream.storage.store import Credentials, Store

URIS = {
    "s3": "s3://box/a/table",
    "az": "abfss://box@account.dfs.core.windows.net/a/table",
    "gs": "gs://box/a/table",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


def store_of(uri: str, options: dict[str, object] | None = None) -> Store:
    store = parse_store(uri, options)
    assert isinstance(store, Store)
    return store


@pytest.mark.parametrize(("kind", "uri"), URIS.items())
def test_a_uri_names_bucket_and_folder(kind: str, uri: str) -> None:
    store = store_of(uri)
    assert (store.protocol, store.bucket, store.root) == (kind, "box", "a/table")
    assert store.uri == uri


@pytest.mark.parametrize("scheme", ["s3", "s3a", "S3"])
def test_the_schemes_of_s3_are_one_store(scheme: str) -> None:
    assert store_of(f"{scheme}://box//a%20b/").root == "a b"


@pytest.mark.parametrize("uri", ["s3://", "s3://box/a?x=1", "s3://box/../a", "s3://me:pw@box/a"])
def test_a_uri_that_cannot_be_is_refused(uri: str) -> None:
    with pytest.raises(OptionError) as failure:
        parse_store(uri)
    assert "pw" not in str(failure.value)


@pytest.mark.parametrize(
    "options",
    [
        {"AWS_ACCESS_KEY_ID": "k", "aws_secret_access_key": "s", "endpoint": "http://here:1"},
        {"key": "k", "secret": "s", "endpoint_url": "http://here:1"},
        {"access_key_id": "k", "key": "k", "secret": "s", "aws_endpoint_url": "http://here:1"},
    ],
)
def test_options_mean_the_same_under_every_name(options: dict[str, object]) -> None:
    protocol, arguments = fsspec_arguments(store_of(URIS["s3"], options))
    assert protocol == "s3"
    assert (arguments["key"], arguments["secret"]) == ("k", "s")
    assert arguments["endpoint_url"] == "http://here:1"


def test_options_that_contradict_each_other_are_named_without_their_values() -> None:
    with pytest.raises(
        OptionError, match=r"'key'.*'aws_access_key_id'|'aws_access_key_id'.*'key'"
    ) as failure:
        parse_store(URIS["s3"], {"key": "one-marker", "aws_access_key_id": "two-marker"})
    assert "marker" not in str(failure.value)


def test_an_option_that_nobody_knows_is_refused_with_its_neighbour() -> None:
    with pytest.raises(OptionError, match=r"aws_secret_acess_key.*did you mean"):
        parse_store(URIS["s3"], {"aws_secret_acess_key": "marker"})


def test_what_only_writers_need_changes_nothing() -> None:
    options: dict[str, object] = {"aws_s3_allow_unsafe_rename": "true"}
    assert store_of(URIS["s3"], options) == store_of(URIS["s3"])


def test_an_endpoint_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://here:1")
    _, arguments = fsspec_arguments(store_of(URIS["s3"]))
    assert arguments["endpoint_url"] == "http://here:1"


@pytest.mark.parametrize("kind", URIS)
def test_no_representation_shows_a_secret(kind: str) -> None:
    names = [
        name
        for meaning in MEANINGS[kind]
        if meaning.is_credential
        for name in (meaning.name, *meaning.others)
    ]
    assert names
    for name in names:
        try:
            store = store_of(URIS[kind], {name: "marker-of-a-secret"})
            shown = f"{store!r} {store} {pickle.loads(pickle.dumps(store))!r}"
        except OptionError as error:
            shown = str(error)
        assert "marker-of" not in shown, name


@pytest.mark.parametrize("uri", ["memory://box/t", "ftp://host/t"])
def test_a_callback_that_would_never_be_called_is_refused(uri: str) -> None:
    with pytest.raises(OptionError, match=r"credentials= is for s3://.*(memory|ftp):// takes"):
        parse_store(uri, credentials=lambda: Credentials({"password": "marker"}))


def test_what_obstore_cannot_do_is_an_error_that_names_it() -> None:
    known: dict[str, object] = {"key": "k", "secret": "s"}
    with pytest.raises(OptionError, match="needs aws_region"):
        obstore_arguments(store_of(URIS["s3"], known))
    with pytest.raises(OptionError, match=r"only transport=\"fsspec\" knows .*: config_kwargs"):
        obstore_arguments(
            store_of(URIS["s3"], known | {"config_kwargs": {"proxies": {"http": "http://here"}}})
        )
    with pytest.raises(OptionError, match=r"reads s3://, az:// and gs://"):
        obstore_arguments(store_of("https://host/table"))


def test_obstore_is_given_all_that_the_environment_could_mix_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    options: dict[str, object] = {"key": "k", "secret": "s", "aws_region": "eu-west-1"}
    name, arguments = obstore_arguments(store_of(URIS["s3"], options))
    assert name == "S3Store"
    given = arguments["credential_provider"]()
    assert (given["access_key_id"], given["secret_access_key"], given["token"]) == ("k", "s", None)
    assert arguments["retry_config"]["max_retries"] == 0


KEYS: dict[str, object] = {"key": "k", "secret": "s", "aws_region": "eu-west-1"}


@pytest.mark.parametrize("endpoint", ["http://box.example.com:9000", "https://box.lan"])
def test_a_bucket_in_the_endpoint_is_the_bucket_only_where_hosts_have_it(endpoint: str) -> None:
    given = {**KEYS, "endpoint_url": endpoint}
    assert fsspec_arguments(store_of(URIS["s3"], given))[1]["endpoint_url"] == endpoint
    given["aws_virtual_hosted_style_request"] = "true"
    found = fsspec_arguments(store_of(URIS["s3"], given))[1]["endpoint_url"]
    assert found == endpoint.replace("box.", "")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
def test_an_endpoint_in_the_environment_that_is_empty_or_to_be_ignored_reaches_no_client(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "")
    for _ in range(2):
        store = store_of(URIS["s3"], KEYS)
        config = obstore_arguments(store)[1]["config"]
        assert config["aws_endpoint"] == "https://s3.eu-west-1.amazonaws.com"
        assert config["aws_endpoint_url_s3"] == config["aws_endpoint"]
        assert "endpoint_url" not in fsspec_arguments(store)[1]
        monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
        monkeypatch.setenv(name, "http://elsewhere")


def test_an_empty_url_of_google_in_the_environment_reaches_no_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_BASE_URL", "")
    config = obstore_arguments(store_of(URIS["gs"], {"token": "anon"}))[1]["config"]
    assert config["google_base_url"] == "https://storage.googleapis.com"


@pytest.mark.parametrize("ignores", [False, True])
def test_the_endpoint_of_awss_own_file_is_one_for_both_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignores: bool
) -> None:
    lines = ["[default]", "endpoint_url = http://here:9000"]
    lines += ["ignore_configured_endpoint_urls = true"] * ignores
    (tmp_path / "config").write_text("\n".join(lines))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    arguments = obstore_arguments(store_of(URIS["s3"], KEYS))[1]
    assert arguments["config"].get("aws_endpoint") == (None if ignores else "http://here:9000")
    assert arguments["client_options"].get("allow_http") == (None if ignores else True)


def test_an_empty_text_is_an_option_that_is_not_given() -> None:
    empty = {"token": "", "endpoint_url": "", "profile": "", "client_kwargs": {"region_name": ""}}
    assert store_of(URIS["s3"], {**KEYS, **empty}) == store_of(URIS["s3"], KEYS)
    assert store_of(URIS["az"], {"sas_token": ""}) == store_of(URIS["az"])


def test_who_wants_no_signature_gets_none_whatever_keys_there_are() -> None:
    given: dict[str, object] = {"account_key": "bWFya2Vy", "skip_signature": True}
    store = store_of(URIS["az"], given)
    assert "bWFya2Vy" not in fsspec_arguments(store)[1]["connection_string"]
    assert "credential_provider" not in obstore_arguments(store)[1]
