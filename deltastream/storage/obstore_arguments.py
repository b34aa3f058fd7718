"""Owns what a `Store` is for obstore: the name of its class, and the arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deltastream.errors import OptionError
from deltastream.storage.azure import azure_account_url, azure_identity
from deltastream.storage.endpoints import with_bucket
from deltastream.storage.environment import AWS_ENDPOINT_VARIABLES, ignores_aws_endpoints
from deltastream.storage.parse import with_credentials
from deltastream.storage.store import Credentials, Store
from deltastream.storage.values import is_true

__all__ = ["obstore_arguments"]

_CLIENT_OPTIONS = (
    "allow_http",
    "allow_invalid_certificates",
    "timeout",
    "connect_timeout",
    "read_timeout",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_url",
    "user_agent",
)
_FLAGS = ("allow_http", "allow_invalid_certificates")

_GOOGLE_URL = "https://storage.googleapis.com"


def obstore_arguments(
    store: Store, credentials: Credentials | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the name of obstore's class for `store`, and the arguments to make it with.

    `credentials` take the place of the store's own. obstore reads the environment by itself, so that whatever could
    mix with the options is given. Retries of the library are off.

    Raises:
        OptionError: obstore has no class for the store, or cannot do what an option asks for; the message says which.
    """
    store = with_credentials(store, credentials)
    make = {"s3": _s3, "az": _azure, "gs": _google}
    if store.protocol not in make:
        raise OptionError(
            f'{store.uri}: transport="obstore" reads s3://, az:// and gs://, and their other names'
        )
    fields = dict(store.fsspec_options)
    headers = dict(fields.pop("headers", {}))
    if fields.get("use_ssl", True) or "aws_endpoint" in store.options:
        # An endpoint says it itself.
        fields.pop("use_ssl", None)
    if fields:
        raise OptionError(
            f'only transport="fsspec" knows these storage_options: {", ".join(sorted(fields))}'
        )
    # Deadlines are the caller's: this one is for the whole of a request.
    client: dict[str, Any] = {"timeout": "300s"}
    client |= {
        name: is_true(store.options[name]) if name in _FLAGS else store.options[name]
        for name in _CLIENT_OPTIONS
        if name in store.options
    }
    name, arguments = make[store.protocol](store)
    headers |= arguments.pop("headers", {})
    if arguments["config"].get("aws_endpoint", "").lower().startswith("http:"):
        # A file of AWS's may say it, too.
        client.setdefault("allow_http", True)
    if headers:
        client["default_headers"] = headers
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if store.protocol == "s3" and bundle and not is_true(store.options.get("allow_http")):
        try:
            with open(bundle, encoding="utf-8") as file:
                client["root_certificate"] = file.read()
        except OSError as error:
            raise OptionError(f"AWS_CA_BUNDLE cannot be read: {error}") from error
    arguments["client_options"] = client
    arguments["retry_config"] = {"max_retries": 0, "retry_timeout": timedelta(seconds=60)}
    return name, arguments


def _s3(store: Store) -> tuple[str, dict[str, Any]]:
    options = store.options
    skip = is_true(options.get("aws_skip_signature"))
    virtual = is_true(options.get("aws_virtual_hosted_style_request"))
    chain = _Chain(options.get("aws_profile"))
    region = options.get("aws_region") or chain.region
    endpoint = options.get("aws_endpoint") or chain.endpoint
    if region is None:
        if endpoint is None:
            raise OptionError(
                'transport="obstore" needs aws_region for a bucket of AWS: it does not find out itself'
            )
        region = "us-east-1"
    if endpoint is None and any(name in os.environ for name in AWS_ENDPOINT_VARIABLES):
        # They are empty, or to be ignored: obstore would take them.
        endpoint = f"https://s3.{region}.amazonaws.com"
    config = {
        "aws_region": region,
        "aws_skip_signature": "true" if skip else "false",
        "aws_virtual_hosted_style_request": "true" if virtual else "false",
        "aws_request_payer": "true"
        if options.get("aws_request_payer", "false") != "false"
        else "false",
    }
    if endpoint is not None:
        if virtual:
            endpoint = with_bucket(endpoint, store.bucket)
        # Under both names: the second one is the stronger, and may stand in the environment.
        config["aws_endpoint"] = config["aws_endpoint_url_s3"] = endpoint
    if "aws_sse_customer_key_base64" in options:
        config["aws_server_side_encryption"] = "sse-c"
        config["aws_sse_customer_key_base64"] = options["aws_sse_customer_key_base64"]
    arguments: dict[str, Any] = {"bucket": store.bucket, "config": config}
    if skip:
        return "S3Store", arguments
    if "aws_access_key_id" in options or "aws_secret_access_key" in options:
        given: dict[str, Any] = {
            "access_key_id": _need(options, "aws_access_key_id"),
            "secret_access_key": _need(options, "aws_secret_access_key"),
            "token": options.get("aws_session_token"),
        }
        arguments["credential_provider"] = _Given(given)
    else:
        arguments["credential_provider"] = chain.credentials
    return "S3Store", arguments


class _Chain:
    """What botocore finds in the environment, the files and the machine: the same as s3fs."""

    def __init__(self, name: str | None) -> None:
        from botocore.session import Session

        self._session = Session(profile=name)

    @property
    def region(self) -> str | None:
        region: str | None = self._session.get_config_variable("region")
        return region

    @property
    def endpoint(self) -> str | None:
        scoped = self._session.get_scoped_config()
        if ignores_aws_endpoints(os.environ, scoped):
            return None
        services = self._session.full_config.get("services", {}).get(scoped.get("services"), {})
        found = services.get("s3", {}) if isinstance(services, Mapping) else {}
        endpoint: str | None = found.get("endpoint_url") or scoped.get("endpoint_url")
        return endpoint

    def credentials(self) -> dict[str, Any]:
        """Return what obstore's `credential_provider` gives; botocore refreshes long before the ten minutes end."""
        found = self._session.get_credentials()
        if found is None:
            raise OptionError(
                "no AWS credentials in storage_options, environment, files or the machine; for a public bucket give"
                ' aws_skip_signature: "true"'
            )
        frozen = found.get_frozen_credentials()
        ends = datetime.now(UTC) + timedelta(minutes=10)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": ends,
        }


class _Given:
    """Credentials that do not change, as obstore asks for them: so the environment's cannot mix with them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __call__(self) -> dict[str, Any]:
        return {**self._values, "expires_at": None}


def _azure(store: Store) -> tuple[str, dict[str, Any]]:
    options = store.options
    skip = is_true(options.get("azure_skip_signature"))
    config = {
        "azure_storage_account_name": options["azure_storage_account_name"],
        "azure_storage_endpoint": azure_account_url(store),
        "azure_storage_use_emulator": "false",
        "azure_skip_signature": "true" if skip else "false",
    }
    arguments: dict[str, Any] = {"container_name": store.bucket, "config": config}
    if not skip:
        arguments["credential_provider"] = _azure_provider(store)
    return "AzureStore", arguments


def _azure_provider(store: Store) -> Callable[[], Any]:
    options = store.options
    if "azure_storage_token" in options:
        return _Given({"token": options["azure_storage_token"]})
    if "azure_storage_account_key" in options:
        return _Given({"access_key": options["azure_storage_account_key"]})
    if "azure_storage_sas_token" in options:
        return _Given({"sas_token": options["azure_storage_sas_token"].lstrip("?")})
    from obstore.auth.azure import AzureCredentialProvider

    return AzureCredentialProvider(azure_identity(store))  # type: ignore[arg-type]


_GOOGLE_KEYS = ("google_service_account_key", "google_application_credentials")
_GOOGLE_VARIABLES = (
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)


def _google(store: Store) -> tuple[str, dict[str, Any]]:
    options = store.options
    skip = is_true(options.get("google_skip_signature"))
    config = {"google_skip_signature": "true" if skip else "false"}
    arguments: dict[str, Any] = {"bucket": store.bucket, "config": config}
    if "google_base_url" in options or "GOOGLE_BASE_URL" in os.environ:
        # An empty variable obstore would take.
        config["google_base_url"] = options.get("google_base_url", _GOOGLE_URL)
    if not skip and "google_bearer_token" in options:
        arguments["credential_provider"] = _Given({"token": options["google_bearer_token"]})
    elif not skip:
        for name in _GOOGLE_KEYS:
            if name in options:
                config[name] = options[name]
        for variable in _GOOGLE_VARIABLES:
            if os.environ.get(variable) not in (None, *config.values()):
                # It would go before what was given.
                raise OptionError(f'{variable} is set: give it up, or take transport="fsspec"')
    payer = options.get("google_requester_pays", "false")
    if payer != "false":
        if payer == "true":
            payer = _need(options, "google_project")
        arguments["headers"] = {"x-goog-user-project": payer}
    return "GCSStore", arguments


def _need(options: Mapping[str, str], name: str) -> str:
    if name not in options:
        raise OptionError(f"storage_options lack {name}, which goes with what they give")
    return options[name]
