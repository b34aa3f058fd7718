"""Owns making a `Store` of what a user says: a URI, options under anybody's names, a callback for credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deltastream.errors import OptionError
from deltastream.storage.aliases import Options, read_options
from deltastream.storage.environment import environment_options
from deltastream.storage.meanings import MEANINGS
from deltastream.storage.store import Credentials, CredentialsCallback, Store
from deltastream.storage.uri import Location, parse_uri
from deltastream.storage.values import is_true

__all__ = ["parse_store", "with_credentials"]

# Known to everyone: Azurite's documentation prints it.
_EMULATOR_ACCOUNT = "devstoreaccount1"
_EMULATOR_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_ENDPOINTS = {"s3": "aws_endpoint", "az": "azure_storage_endpoint", "gs": "google_base_url"}


def parse_store(
    table_uri: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None = None,
    credentials: CredentialsCallback | None = None,
) -> Store | str:
    """Return the store that `table_uri` is in, or the path where the table is on a local disk.

    Options that nobody gave are taken from the environment, as the stores' own clients take them; nothing is connected.

    Raises:
        OptionError: The URI, a key or a value cannot be, or two of them contradict each other. Secrets are not shown.
    """
    location = parse_uri(os.fspath(table_uri))
    if isinstance(location, str):
        return location
    given = dict(storage_options or {})
    if location.protocol == "memory":
        _refuse_credentials(location.protocol, credentials)
        return Store(location.protocol, location.bucket, location.root, location.uri)
    kind = _kind(location.protocol)
    if kind not in MEANINGS:
        return _other(location, given, credentials)
    said = read_options(kind, given, location.claims)
    if credentials is not None:
        _refuse_second_credentials(kind, said)
    options = dict(said.canonical)
    environment = environment_options(
        kind,
        os.environ,
        known=options,
        has_credentials=credentials is not None or _has_credentials(kind, said),
    )
    options |= environment
    if kind == "az":
        _complete_azure(options, given_by_callback=credentials is not None)
    is_emulator = "STORAGE_EMULATOR_HOST" in os.environ and "google_base_url" in environment
    is_known = credentials is not None or _has_credentials(kind, Options(options, said.only_fsspec))
    if kind == "gs" and is_emulator and not is_known:
        # As Google's own clients do: an emulator knows no accounts.
        options["google_skip_signature"] = "true"
    _allow_http(location.protocol, options)
    only_fsspec = dict(said.only_fsspec)
    if location.authorization is not None:
        headers = {"Authorization": location.authorization, **only_fsspec.get("headers", {})}
        only_fsspec["headers"] = headers
    return Store(
        location.protocol,
        location.bucket,
        location.root,
        location.uri,
        options,
        only_fsspec,
        credentials,
    )


def with_credentials(store: Store, credentials: Credentials | None) -> Store:
    """Return `store` with these secrets in place of all that it has.

    Raises:
        OptionError: They are under names that the store does not know.
    """
    if credentials is None:
        return store
    kind = _kind(store.protocol)
    said = read_options(kind, credentials.options)
    names = {meaning.name for meaning in MEANINGS[kind] if meaning.is_credential}
    kept = {name: value for name, value in store.options.items() if name not in names}
    rest = {
        key: value
        for key, value in store.fsspec_options.items()
        if key not in ("token", "credential")
    }
    options = {**kept, **said.canonical}
    _allow_http(store.protocol, options)
    return replace(store, options=options, fsspec_options={**rest, **said.only_fsspec})


def _kind(protocol: str) -> str:
    return "http" if protocol == "https" else protocol


def _credential_names(kind: str, said: Options) -> list[str]:
    names = [meaning.name for meaning in MEANINGS[kind] if meaning.is_credential]
    found = [name for name in names if said.canonical.get(name, "false") != "false"]
    return found + [key for key in ("token", "credential") if key in said.only_fsspec]


def _has_credentials(kind: str, said: Options) -> bool:
    return bool(_credential_names(kind, said))


def _refuse_second_credentials(kind: str, said: Options) -> None:
    if names := _credential_names(kind, said):
        raise OptionError(
            f"credentials= gives the secrets, and storage_options give {', '.join(names)} too; leave one of them out"
        )


def _complete_azure(options: dict[str, str], *, given_by_callback: bool) -> None:
    if is_true(options.get("azure_storage_use_emulator")):
        account = options.setdefault("azure_storage_account_name", _EMULATOR_ACCOUNT)
        host = os.environ.get("AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:10000").rstrip("/")
        endpoint = host if host.endswith(f"/{account}") else f"{host}/{account}"
        options.setdefault("azure_storage_endpoint", endpoint)
        if not given_by_callback and not _has_credentials("az", Options(options, {})):
            options["azure_storage_account_key"] = _EMULATOR_KEY
    options.pop("azure_storage_use_emulator", None)
    if "azure_storage_account_name" not in options:
        raise OptionError(
            "az:// needs the storage account: give azure_storage_account_name, a connection string, or a URI"
            " abfss://container@account.dfs.core.windows.net/folder"
        )


def _allow_http(protocol: str, options: dict[str, str]) -> None:
    endpoint = options.get(_ENDPOINTS[protocol], "") if protocol in _ENDPOINTS else f"{protocol}:"
    if not endpoint.lower().startswith("http:"):
        return
    # Who writes http:// means it; only to write the contrary too is an error.
    if options.setdefault("allow_http", "true") == "false":
        raise OptionError("allow_http is false, and the endpoint begins with http://")


def _refuse_credentials(protocol: str, credentials: CredentialsCallback | None) -> None:
    if credentials is not None:
        raise OptionError(
            f"credentials= is for s3://, az://, gs:// and http://; {protocol}:// takes what it needs as storage_options"
        )


def _other(
    location: Location, given: dict[str, Any], credentials: CredentialsCallback | None
) -> Store:
    """Return a store of one of fsspec's other file systems, which has names of its own for everything."""
    # Nothing of fsspec is imported for a local table.
    from fsspec.registry import available_protocols, get_filesystem_class

    if location.protocol not in available_protocols():
        raise OptionError(
            f"{location.protocol}:// is no protocol that is known here: s3, az, abfss, gs, http, https, memory, file,"
            " uc, or one that fsspec knows"
        )
    _refuse_credentials(location.protocol, credentials)
    try:
        file_system = get_filesystem_class(location.protocol)
    except ImportError as error:
        raise OptionError(f"{location.protocol}:// needs a package: {error}") from None
    # What the URI says of host, port and user is for the file system; the rest is the path.
    implied = file_system._get_kwargs_from_urls(location.root)
    root = file_system._strip_protocol(location.root)
    return replace(
        Store(location.protocol, "", root, location.uri),
        fsspec_options={**implied, **given},
    )
