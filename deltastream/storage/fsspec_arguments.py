"""Owns what a `Store` is for fsspec: the arguments of its file system, and its names of objects."""

from __future__ import annotations

import base64
import json
import os
from typing import Any
from urllib.parse import quote

from fsspec.registry import get_filesystem_class

from deltastream.errors import OptionError
from deltastream.storage.azure import azure_connection_string, azure_credential
from deltastream.storage.endpoints import without_bucket
from deltastream.storage.parse import with_credentials
from deltastream.storage.store import Credentials, Store
from deltastream.storage.values import duration_s, is_true

__all__ = ["fsspec_arguments", "fsspec_path"]


def fsspec_arguments(
    store: Store, credentials: Credentials | None = None
) -> tuple[str, dict[str, Any]]:
    """Return fsspec's protocol and the arguments of its file system's class; to be called on the loop that uses it.

    `credentials` take the place of the store's own. Retries of the library are off, instances are not shared.

    Raises:
        OptionError: The file system cannot do what an option asks for; the message says which.
    """
    store = with_credentials(store, credentials)
    _refuse_what_is_lacking(store)
    make = {"s3": _s3, "az": _azure, "gs": _google, "http": _http, "https": _http}
    kwargs = make[store.protocol](store) if store.protocol in make else dict(store.fsspec_options)
    if store.protocol == "gs":
        # Else gcsfs asks every bucket over gRPC what kind it is, which takes a minute behind most firewalls.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    kwargs["skip_instance_cache"] = True
    if getattr(get_filesystem_class(store.protocol), "async_impl", False):
        kwargs["asynchronous"] = True
    return store.protocol, kwargs


_LACKING = {
    "s3": ("pool_idle_timeout",),
    **dict.fromkeys(("az", "gs", "http", "https"), ("pool_idle_timeout", "pool_max_idle_per_host")),
}
"""By protocol the options that its library has no place for."""


def _refuse_what_is_lacking(store: Store) -> None:
    names = [name for name in _LACKING.get(store.protocol, ()) if name in store.options]
    if store.fsspec_options.get("location_mode", "primary") != "primary":
        names.append("location_mode")
    if names:
        raise OptionError(
            f'transport="fsspec" does not know these storage_options for {store.protocol}://: {", ".join(names)}'
        )


def fsspec_path(store: Store, key: str) -> str:
    """Return fsspec's name of the object `key`, a decoded path below the store's bucket."""
    match store.protocol:
        case "s3" | "az" | "gs":
            return f"{store.bucket}/{key}"
        case "http" | "https":
            return f"{store.protocol}://{store.bucket}/{quote(key)}"
        case "memory":
            return f"/{key}"
        case _:
            return key


def _s3(store: Store) -> dict[str, Any]:
    options = store.options
    kwargs = dict(store.fsspec_options)
    client: dict[str, Any] = dict(kwargs.get("client_kwargs", {}))
    config: dict[str, Any] = dict(kwargs.get("config_kwargs", {}))
    extra: dict[str, Any] = dict(kwargs.get("s3_additional_kwargs", {}))
    for name, argument in (
        ("aws_access_key_id", "key"),
        ("aws_secret_access_key", "secret"),
        ("aws_session_token", "token"),
        ("aws_profile", "profile"),
    ):
        if name in options:
            kwargs[argument] = options[name]
    kwargs["anon"] = is_true(options.get("aws_skip_signature"))
    kwargs["requester_pays"] = options.get("aws_request_payer", "false") != "false"
    if "aws_region" in options:
        client["region_name"] = options["aws_region"]
    if is_true(options.get("allow_invalid_certificates")):
        client["verify"] = False
    if "aws_endpoint" in options:
        kwargs["endpoint_url"] = options["aws_endpoint"]
    style = "path"
    if is_true(options.get("aws_virtual_hosted_style_request")):
        style = "virtual"
        if "aws_endpoint" in options:
            kwargs["endpoint_url"] = without_bucket(options["aws_endpoint"], store.bucket)
    if "aws_virtual_hosted_style_request" in options or "aws_endpoint" in options:
        # botocore guesses from the host's name; object_store takes paths unless told otherwise.
        config["s3"] = {"addressing_style": style, **config.get("s3", {})}
    config["retries"] = {"total_max_attempts": 1, "mode": "standard"}
    _client_options(store, config)
    if "pool_max_idle_per_host" in options:
        config["max_pool_connections"] = int(options["pool_max_idle_per_host"])
    if "aws_sse_customer_key_base64" in options:
        extra["SSECustomerAlgorithm"] = "AES256"
        extra["SSECustomerKey"] = _decoded_key(options["aws_sse_customer_key_base64"])
    return {
        **kwargs,
        "client_kwargs": client,
        "config_kwargs": config,
        "s3_additional_kwargs": extra,
    }


def _decoded_key(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise OptionError("aws_sse_customer_key_base64 is no base64") from None


def _client_options(
    store: Store, config: dict[str, Any], connect_timeout: str = "connect_timeout"
) -> None:
    """Add what botocore and azure-core have the same names for, but for one."""
    options = store.options
    if "connect_timeout" in options:
        config[connect_timeout] = duration_s(options["connect_timeout"])
    for name in ("timeout", "read_timeout"):
        if name in options:
            config["read_timeout"] = duration_s(options[name])
    if "proxy_url" in options:
        config["proxies"] = {"http": options["proxy_url"], "https": options["proxy_url"]}
    if "user_agent" in options:
        config["user_agent"] = options["user_agent"]


def _azure(store: Store) -> dict[str, Any]:
    kwargs = dict(store.fsspec_options)
    _client_options(store, kwargs, "connection_timeout")
    if is_true(store.options.get("allow_invalid_certificates")):
        kwargs["connection_verify"] = False
    text = azure_connection_string(store)
    if text is not None:
        kwargs["connection_string"] = text
        # Not the environment's: the string says all.
        kwargs["anon"] = True
        return kwargs
    kwargs["account_name"] = store.options["azure_storage_account_name"]
    if "azure_storage_endpoint" in store.options:
        kwargs["account_host"] = store.options["azure_storage_endpoint"].removeprefix("https://")
    kwargs.setdefault("credential", azure_credential(store))
    return kwargs


def _google(store: Store) -> dict[str, Any]:
    options = store.options
    kwargs = {"access": "read_only", **store.fsspec_options}
    if is_true(options.get("google_skip_signature")):
        kwargs["token"] = "anon"
    elif "google_bearer_token" in options:
        from google.oauth2.credentials import Credentials as BearerToken

        # As an object: gcsfs asks Google about a token that is a text.
        kwargs["token"] = BearerToken(options["google_bearer_token"])  # type: ignore[no-untyped-call]
    elif "google_service_account_key" in options:
        try:
            kwargs["token"] = json.loads(options["google_service_account_key"])
        except ValueError:
            raise OptionError("google_service_account_key is no JSON") from None
    elif "google_application_credentials" in options:
        if not os.path.isfile(options["google_application_credentials"]):
            # gcsfs would take its name for a token, and send it to Google.
            raise OptionError("google_application_credentials names a file that is not there")
        kwargs["token"] = options["google_application_credentials"]
    if "google_base_url" in options:
        kwargs["endpoint_url"] = options["google_base_url"]
    if "google_project" in options:
        kwargs["project"] = options["google_project"]
    payer = options.get("google_requester_pays", "false")
    if payer != "false":
        kwargs["requester_pays"] = True if payer == "true" else payer
    session = dict(kwargs.get("session_kwargs", {}))
    _session_options(store, session)
    return {**kwargs, "session_kwargs": session}


def _http(store: Store) -> dict[str, Any]:
    # `fsspec_path` has encoded the path.
    kwargs = {**store.fsspec_options, "encoded": True}
    session = dict(kwargs.get("client_kwargs", {}))
    _session_options(store, session)
    return {**kwargs, "client_kwargs": session}


_WAITS = {"timeout": "total", "connect_timeout": "sock_connect", "read_timeout": "sock_read"}


def _session_options(store: Store, session: dict[str, Any]) -> None:
    """Add what aiohttp's session takes."""
    from aiohttp import ClientTimeout, TCPConnector

    options = store.options
    waits: dict[str, Any] = {"total": None}
    # Deadlines are the caller's: aiohttp's own would end every answer after five minutes.
    waits |= {ours: duration_s(options[name]) for name, ours in _WAITS.items() if name in options}
    session.setdefault("timeout", ClientTimeout(**waits))
    if "user_agent" in options:
        session["headers"] = {**session.get("headers", {}), "User-Agent": options["user_agent"]}
    if "proxy_url" in options:
        session["proxy"] = options["proxy_url"]
    if is_true(options.get("allow_invalid_certificates")):
        session["connector"] = TCPConnector(ssl=False)
